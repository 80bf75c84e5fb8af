use super::*;

fn queue(overflow: Overflow) -> DeliveryQueue<u32> {
    DeliveryQueue::new(3, overflow, None, 0)
}

/// Pushes numbers of two topics, odd and even, and then pops all items. A gap is written as the number of
/// missed messages in brackets.
#[track_caller]
fn check(overflow: Overflow, published: impl IntoIterator<Item = u32>, expect: &str) {
    let queue = queue(overflow);
    let published: Vec<u32> = published.into_iter().collect();
    let mut dropped = 0;
    for &number in &published {
        dropped += u64::from(queue.push(number as usize % 2, Delivery::Info(number)).is_some());
    }
    let (mut got, mut missed, mut count) = (Vec::new(), 0, 0);
    while let Some(item) = queue.pop() {
        got.push(match item {
            QueueItem::Message(Delivery::Info(number)) => {
                count += 1;
                number.to_string()
            }
            QueueItem::Message(Delivery::Frame(_)) => unreachable!(),
            QueueItem::Lagged(number) => {
                missed += number;
                format!("({number})")
            }
            QueueItem::Overflowed => return assert_eq!("overflowed", expect),
        });
    }
    assert_eq!(got.join(" "), expect);
    assert_eq!((missed, count + missed), (dropped, published.len() as u64));
    assert!(!queue.has_items());
}

#[test]
fn overflow_option_selects_dropped_messages() {
    check(Overflow::Close, 1..=3, "1 2 3");
    check(Overflow::Close, 1..=4, "overflowed");
    check(Overflow::DropOldest, 1..=3, "1 2 3");
    check(Overflow::DropOldest, 1..=9, "(6) 7 8 9");
    check(Overflow::DropNewest, 1..=3, "1 2 3");
    check(Overflow::DropNewest, 1..=9, "1 2 3 (6)");
    check(Overflow::Latest, [1], "1");
    check(Overflow::Latest, 1..=9, "(7) 9 8");
    check(Overflow::Latest, [1, 3, 5], "(2) 5");
}

#[test]
fn gaps_keep_their_place_in_the_queue() {
    let queue = queue(Overflow::DropNewest);
    let push = |number| _ = queue.push(0, Delivery::Info(number));
    (1..=5).for_each(push);
    assert!(matches!(queue.pop(), Some(QueueItem::Message(Delivery::Info(1)))));
    push(6);
    assert!(matches!(queue.pop(), Some(QueueItem::Message(Delivery::Info(2)))));
    assert!(matches!(queue.pop(), Some(QueueItem::Message(Delivery::Info(3)))));
    assert!(matches!(queue.pop(), Some(QueueItem::Lagged(2))));
    assert!(matches!(queue.pop(), Some(QueueItem::Message(Delivery::Info(6)))));
    queue.lagged(0);
    queue.lagged(0);
    assert!(matches!(queue.pop(), Some(QueueItem::Lagged(0))));
    assert!(queue.pop().is_none());
}

#[test]
fn drop_oldest_adds_dropped_messages_to_the_gap_before_them() {
    let queue = queue(Overflow::DropOldest);
    queue.lagged(5);
    (1..=5).for_each(|number| _ = queue.push(0, Delivery::Info(number)));
    assert!(matches!(queue.pop(), Some(QueueItem::Lagged(7))));
    assert!(matches!(queue.pop(), Some(QueueItem::Message(Delivery::Info(3)))));
}

#[test]
fn pop_frame_does_not_overtake_messages_for_the_handler() {
    let queue = queue(Overflow::Close);
    let frame = || Delivery::Frame(Arc::new(PreparedMessage::text("x")));
    let _ = queue.push(0, frame());
    let _ = queue.push(0, Delivery::Info(1));
    let _ = queue.push(0, frame());
    assert!(matches!(queue.pop_frame(), Some(QueueItem::Message(Delivery::Frame(_)))));
    assert!(queue.pop_frame().is_none());
    assert!(queue.pop().is_some());
    assert!(queue.pop_frame().is_some());
}

#[test]
fn empty_queue_frees_its_memory() {
    let queue = DeliveryQueue::new(1000, Overflow::Close, None, 0);
    (0..1000).for_each(|number| _ = queue.push(0, Delivery::Info(number)));
    while queue.pop().is_some() {}
    assert!(queue.lock().queue.capacity() <= MAX_IDLE_CAPACITY);
}

/// Pushes messages of a history, then new messages, and pops all items.
#[track_caller]
fn check_history(overflow: Overflow, history: &[u32], published: &[u32], expect: &str) {
    let queue = queue(overflow);
    history.iter().for_each(|number| queue.replay(0, Delivery::Info(*number)));
    published.iter().for_each(|number| _ = queue.push(0, Delivery::Info(*number)));
    let mut got = Vec::new();
    while let Some(item) = queue.pop() {
        got.push(match item {
            QueueItem::Message(Delivery::Info(number)) => number.to_string(),
            QueueItem::Message(Delivery::Frame(_)) => "frame".into(),
            QueueItem::Lagged(missed) => format!("({missed})"),
            QueueItem::Overflowed => "overflowed".into(),
        });
    }
    assert_eq!(got.join(" "), expect);
}

#[test]
fn history_does_not_count_against_the_capacity() {
    let history = [1, 2, 3, 4, 5];
    check_history(Overflow::Close, &history, &[6, 7, 8], "1 2 3 4 5 6 7 8");
    check_history(Overflow::Close, &history, &[6, 7, 8, 9], "overflowed 1 2 3 4 5 6 7 8");
    check_history(Overflow::DropOldest, &history, &[6, 7, 8], "1 2 3 4 5 6 7 8");
    check_history(Overflow::DropOldest, &history, &[6, 7, 8, 9], "(1) 2 3 4 5 6 7 8 9");
    check_history(Overflow::DropNewest, &history, &[6, 7, 8, 9], "1 2 3 4 5 6 7 8 (1)");
}

#[test]
fn latest_does_not_replace_messages_of_the_history() {
    check_history(Overflow::Latest, &[1, 2, 3], &[4, 5], "(1) 1 2 3 5");
}

#[test]
fn gap_of_unknown_size_is_not_hidden_by_a_number() {
    let queue = DeliveryQueue::<u32>::new(1, Overflow::DropOldest, None, 0);
    for missed in [0, 5, 0, 2] {
        queue.lagged(missed);
    }
    let pop = || if let Some(QueueItem::Lagged(missed)) = queue.pop() { Some(missed) } else { None };
    assert_eq!([pop(), pop(), pop()], [Some(0), Some(7), None]);
    // The dropped message adds itself and the gaps before it to the gap of known size.
    for missed in [3, 0] {
        queue.lagged(missed);
    }
    for number in 0..2 {
        queue.push(1, Delivery::Info(number));
    }
    assert_eq!([pop(), pop()], [Some(0), Some(4)]);
}

#[test]
fn gap_saturates() {
    let queue = queue(Overflow::DropOldest);
    queue.lagged(u64::MAX - 1);
    queue.lagged(u64::MAX - 1);
    (1..=4).for_each(|number| _ = queue.push(0, Delivery::Info(number)));
    assert!(matches!(queue.pop(), Some(QueueItem::Lagged(u64::MAX))));
}
