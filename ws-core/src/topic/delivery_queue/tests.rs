use super::*;

fn queue(overflow: Overflow) -> DeliveryQueue<u32> {
    DeliveryQueue::new(3, overflow, None)
}

/// What arrives of these messages of two topics, odd and even, that nobody takes meanwhile; what
/// was missed is told by its number, in brackets.
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
            QueueItem::Overflowed => return assert_eq!("overflown", expect),
        });
    }
    assert_eq!(got.join(" "), expect);
    assert_eq!((missed, count + missed), (dropped, published.len() as u64));
    assert!(!queue.has_items());
}

#[test]
fn what_is_dropped_and_told() {
    check(Overflow::Close, 1..=3, "1 2 3");
    check(Overflow::Close, 1..=4, "overflown");
    check(Overflow::DropOldest, 1..=3, "1 2 3");
    check(Overflow::DropOldest, 1..=9, "(6) 7 8 9");
    check(Overflow::DropNewest, 1..=3, "1 2 3");
    check(Overflow::DropNewest, 1..=9, "1 2 3 (6)");
    check(Overflow::Latest, [1], "1");
    check(Overflow::Latest, 1..=9, "(7) 9 8");
    check(Overflow::Latest, [1, 3, 5], "(2) 5");
}

#[test]
fn gaps_stand_where_they_were() {
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
fn the_first_gap_counts_those_that_are_dropped_with_it() {
    let queue = queue(Overflow::DropOldest);
    queue.lagged(5);
    (1..=5).for_each(|number| _ = queue.push(0, Delivery::Info(number)));
    assert!(matches!(queue.pop(), Some(QueueItem::Lagged(7))));
    assert!(matches!(queue.pop(), Some(QueueItem::Message(Delivery::Info(3)))));
}

#[test]
fn frames_pass_only_what_is_not_for_the_handler() {
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
fn nothing_is_kept_between_messages() {
    let queue = DeliveryQueue::new(1000, Overflow::Close, None);
    (0..1000).for_each(|number| _ = queue.push(0, Delivery::Info(number)));
    while queue.pop().is_some() {}
    assert!(queue.lock().queue.capacity() <= MAX_IDLE_CAPACITY);
}

/// What arrives of a topic whose history has these messages, and which has these new ones then.
#[track_caller]
fn check_kept(overflow: Overflow, kept: &[u32], published: &[u32], expect: &str) {
    let queue = queue(overflow);
    kept.iter().for_each(|number| queue.replay(0, Delivery::Info(*number)));
    published.iter().for_each(|number| _ = queue.push(0, Delivery::Info(*number)));
    let mut got = Vec::new();
    while let Some(item) = queue.pop() {
        got.push(match item {
            QueueItem::Message(Delivery::Info(number)) => number.to_string(),
            QueueItem::Message(Delivery::Frame(_)) => "frame".into(),
            QueueItem::Lagged(missed) => format!("({missed})"),
            QueueItem::Overflowed => "overflown".into(),
        });
    }
    assert_eq!(got.join(" "), expect);
}

#[test]
fn what_was_kept_leaves_room_for_what_is_new() {
    let kept = [1, 2, 3, 4, 5];
    check_kept(Overflow::Close, &kept, &[6, 7, 8], "1 2 3 4 5 6 7 8");
    check_kept(Overflow::Close, &kept, &[6, 7, 8, 9], "overflown 1 2 3 4 5 6 7 8");
    check_kept(Overflow::DropOldest, &kept, &[6, 7, 8], "1 2 3 4 5 6 7 8");
    check_kept(Overflow::DropOldest, &kept, &[6, 7, 8, 9], "(1) 2 3 4 5 6 7 8 9");
    check_kept(Overflow::DropNewest, &kept, &[6, 7, 8, 9], "1 2 3 4 5 6 7 8 (1)");
}

#[test]
fn latest_does_not_overtake_what_was_kept() {
    check_kept(Overflow::Latest, &[1, 2, 3], &[4, 5], "(1) 1 2 3 5");
}

#[test]
fn gaps_may_be_as_large_as_others_say() {
    let queue = queue(Overflow::DropOldest);
    queue.lagged(u64::MAX - 1);
    queue.lagged(u64::MAX - 1);
    (1..=4).for_each(|number| _ = queue.push(0, Delivery::Info(number)));
    assert!(matches!(queue.pop(), Some(QueueItem::Lagged(u64::MAX))));
}
