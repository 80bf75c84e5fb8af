//! What was published, for those who come back.

use std::sync::mpsc;

use super::*;
use crate::{History, Recovery};

#[websocket]
struct Returns {
    room: Topic<u32>,
    since: Since,
    told: mpsc::Sender<Recovery>,
}

#[websocket]
impl Returns {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let recovery = cx.subscribe_from(&self.room, self.since).await;
        self.told.send(recovery).unwrap();
    }
    #[on_info]
    fn heard(&mut self, number: Published<u32>) -> String {
        format!("{} at {}", *number, number.position().map_or(0, |position| position.offset))
    }
}

#[tokio::test]
async fn who_comes_back_gets_what_it_missed_or_is_told() {
    let hub = Hub::local();
    let room = hub.topic::<u32>("room").history(4);
    let begin = room.position().await.unwrap();
    let at = |offset| Some(Position { offset, ..begin });
    let from = async |since: Option<Position>, publish: u32| {
        let (told, recovery) = mpsc::channel();
        let since = since.into();
        let client = TestClient::open(Returns { room: room.clone(), since, told }).await;
        room.publish(publish).unwrap();
        (client, recovery.recv().unwrap())
    };
    for number in 1..=5 {
        room.publish(number * 10).unwrap();
    }
    let (client, recovery) = from(at(1), 60).await;
    assert_eq!(recovery, Recovery { recovered: true, position: at(5) });
    texts(client, &["20 at 2", "30 at 3", "40 at 4", "50 at 5", "60 at 6"]).await;
    // The second has been forgotten meanwhile.
    let (client, recovery) = from(at(1), 70).await;
    assert_eq!(recovery, Recovery { recovered: false, position: at(6) });
    texts(client, &["70 at 7"]).await;
    let (client, recovery) = from(at(7), 80).await;
    assert!(recovery.recovered);
    texts(client, &["80 at 8"]).await;
    // What has not happened yet, another history, and nothing at all.
    for since in [at(9), Some(Position { epoch: begin.epoch ^ 1, offset: 8 }), None] {
        let (client, recovery) = from(since, 90).await;
        assert!(!recovery.recovered, "{since:?}");
        drop(client);
    }
    let without = hub.topic::<u32>("another");
    let (told, recovery) = mpsc::channel();
    let _client = TestClient::open(Returns { room: without, since: at(0).into(), told }).await;
    assert_eq!(recovery.recv(), Ok(Recovery { recovered: false, position: None }));
}

#[tokio::test]
async fn newcomer_gets_the_last_messages_and_what_follows() {
    let hub = Hub::local();
    let room = hub.topic::<u32>("room").history(4);
    let check = async |since: Since, expect: &[u32]| {
        let (told, recovery) = mpsc::channel();
        let end = room.position().await;
        let client = TestClient::open(Returns { room: room.clone(), since, told }).await;
        assert_eq!(recovery.recv(), Ok(Recovery { recovered: true, position: end }), "{since:?}");
        room.publish(0).unwrap();
        let offset = end.unwrap().offset + 1;
        let begin = offset - expect.len() as u64;
        let kept = expect.iter().zip(begin..).map(|(number, offset)| format!("{number} at {offset}"));
        let expect: Vec<_> = kept.chain([format!("0 at {offset}")]).collect();
        texts(client, &expect.iter().map(String::as_str).collect::<Vec<_>>()).await;
    };
    check(Since::Last(3), &[]).await;
    check(Since::Beginning, &[0]).await;
    for number in 1..=5 {
        room.publish(number).unwrap();
    }
    check(Since::Last(3), &[3, 4, 5]).await;
    check(Since::Last(0), &[]).await;
    check(Since::Last(3), &[5, 0, 0]).await;
    // No more than there are.
    check(Since::Last(4), &[5, 0, 0, 0]).await;
    check(Since::Last(5), &[0; 4]).await;
    check(Since::Beginning, &[0; 4]).await;

    let (told, recovery) = mpsc::channel();
    let without = hub.topic::<u32>("another");
    let _client = TestClient::open(Returns { room: without, since: Since::Last(3), told }).await;
    assert_eq!(recovery.recv(), Ok(Recovery { recovered: false, position: None }));
}

/// Takes three new ones while its handler is busy.
#[websocket(overflow = drop_oldest, mailbox = 3)]
struct Slow(Topic<u32>);

#[websocket]
impl Slow {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe_from(&self.0, Since::Last(5)).await;
        (6..=10).for_each(|number| self.0.publish(number).unwrap());
    }
    #[on_info]
    fn heard(&mut self, number: Arc<u32>) -> String {
        number.to_string()
    }
    #[on_lagged]
    fn lagged(&mut self, missed: u64) -> String {
        format!("missed {missed}")
    }
}

#[tokio::test]
async fn what_was_kept_takes_no_room_of_what_follows() {
    let room = Hub::local().topic::<u32>("room").history(8);
    (1..=5).for_each(|number| room.publish(number).unwrap());
    texts(TestClient::open(Slow(room)).await, &["missed 2", "3", "4", "5", "6", "7", "8", "9", "10"]).await;
}

#[tokio::test(start_paused = true)]
async fn history_outlives_its_users_for_a_while() {
    let hub = Hub::local();
    let kept = History::new(4).ttl(Duration::from_secs(10));
    hub.topic::<u32>("room").history(kept).publish(1).unwrap();
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(hub.topic::<u32>("room").position().await.map(|position| position.offset), Some(1));
    tokio::time::advance(Duration::from_secs(1)).await;
    // Looked at when others come.
    for number in 0..1000 {
        hub.topic::<u32>(format!("room {number}")).history(kept);
    }
    assert_eq!(hub.topic::<u32>("room").position().await, None);
    assert!(hub.len() >= 1000);
}

#[tokio::test(start_paused = true)]
async fn histories_that_nobody_uses_are_bounded() {
    let hub = Hub::local();
    for number in 0..25_000 {
        hub.topic::<u32>(format!("room {number}")).history(1).publish(1).unwrap();
    }
    assert!(hub.len() <= 10_000, "{}", hub.len());
    assert_eq!(hub.topic::<u32>("room 24999").position().await.map(|position| position.offset), Some(1));
}

/// As [`Hub::len`], when the task that looks has had its turn.
async fn topics(hub: &Hub) -> usize {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    hub.len()
}

#[tokio::test(start_paused = true)]
async fn histories_are_freed_when_their_time_is_over() {
    let hub = Hub::local();
    let topic =
        |name: &str, ttl: u64| hub.topic::<u32>(name).history(History::new(4).ttl(Duration::from_secs(ttl)));
    for number in 0..1000 {
        topic(&number.to_string(), 100).publish(number).unwrap();
    }
    assert_eq!(topics(&hub).await, 1000);
    // Due before the others, of which one is used for longer, and one is published to again.
    let used = topic("used", 10);
    used.publish(1).unwrap();
    topic("sooner", 10).publish(1).unwrap();
    assert_eq!(topics(&hub).await, 1002);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(topics(&hub).await, 1002);
    topic("0", 100).publish(2).unwrap();
    tokio::time::advance(Duration::from_millis(1001)).await;
    assert_eq!(topics(&hub).await, 1001);
    // Who uses it last counts.
    used.publish(2).unwrap();
    drop(used);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(topics(&hub).await, 1001);
    tokio::time::advance(Duration::from_secs(21)).await;
    assert_eq!(topics(&hub).await, 1000);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(topics(&hub).await, 1);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(topics(&hub).await, 0);
    // The task has ended, and another one begins.
    topic("again", 10).publish(1).unwrap();
    assert_eq!(topics(&hub).await, 1);
    tokio::time::advance(Duration::from_millis(10_001)).await;
    assert_eq!(topics(&hub).await, 0);
    // Also of a hub that nobody has any more.
    let value = Arc::new(());
    let orphans = Hub::local().topic_with::<Arc<()>, _>("room", Nothing).history(4);
    orphans.publish(Arc::clone(&value)).unwrap();
    drop(orphans);
    assert_eq!(Arc::strong_count(&value), 2);
    tokio::time::advance(Duration::from_secs(301)).await;
    topics(&hub).await;
    assert_eq!(Arc::strong_count(&value), 1);
}

struct Nothing;

impl crate::Codec<Arc<()>> for Nothing {
    const IS_TEXT: bool = false;

    fn encode(&self, _: &Arc<()>, _: &mut Vec<u8>) -> Result<(), crate::BoxError> {
        Ok(())
    }

    fn decode(&self, _: &[u8]) -> Result<Arc<()>, crate::BoxError> {
        Ok(Arc::default())
    }
}

#[test]
fn histories_are_freed_in_whatever_runtime_there_is() {
    let hub = Hub::local();
    let keep = |name: &str| hub.topic::<u32>(name).history(History::new(4).ttl(Duration::ZERO));
    // There is none; it has ended; and then there is one.
    keep("a");
    assert_eq!(hub.len(), 1);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    {
        let _runtime = first.enter();
        keep("b");
    }
    drop(first);
    assert_eq!(hub.len(), 2);
    second.block_on(async {
        keep("c");
        assert_eq!(topics(&hub).await, 0);
    });
}
