//! Subscriptions that start in the history, and the retention of histories.

use std::sync::mpsc;

use super::*;
use crate::{BoxError, History, Recovery};

#[websocket]
struct ReturningClient {
    room: Topic<u32>,
    since: Since,
    result: mpsc::Sender<Recovery>,
}

#[websocket]
impl ReturningClient {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let recovery = cx.subscribe_from(&self.room, self.since).await;
        self.result.send(recovery).unwrap();
    }
    #[on_info]
    fn number(&mut self, number: Published<u32>) -> String {
        format!("{} at {}", *number, number.position().map_or(0, |position| position.offset))
    }
}

/// A handler that answers each message with its position.
#[websocket]
struct Sender(Topic<u32>);

#[websocket]
impl Sender {
    #[on_text]
    async fn publish(&mut self, Json(number): Json<u32>) -> Result<Json<[Option<Position>; 2]>, BoxError> {
        let ack = self.0.publish(number)?;
        Ok(Json([ack.position(), ack.await?]))
    }
    #[on_binary]
    fn publish_to_others(
        &mut self,
        _: &[u8],
        cx: &mut Context<Self>,
    ) -> Result<Json<Option<Position>>, PublishError> {
        Ok(Json(cx.publish_to_others(&self.0, 0)?.position()))
    }
}

#[tokio::test]
async fn publisher_gets_the_position_of_its_message() {
    let hub = Hub::local();
    let room = hub.topic::<u32>("room").history(4);
    let mut sender = TestClient::open(Sender(room.clone())).await;
    let begin = room.position().await.unwrap();
    for offset in 1..=2 {
        sender.send("7").await;
        let position = Position { offset, ..begin };
        assert_eq!(sender.text().await, format!(r#"["{position}","{position}"]"#));
    }
    sender.send(vec![0]).await;
    assert_eq!(sender.text().await, format!(r#""{}""#, Position { offset: 3, ..begin }));
    // A subscription from the position starts with the message that follows.
    let position = room.publish(40).unwrap().position().unwrap();
    room.publish(50).unwrap();
    let (result, recovery) = mpsc::channel();
    let since = position.into();
    let client = TestClient::open(ReturningClient { room: room.clone(), since, result }).await;
    assert!(recovery.recv().unwrap().recovered);
    texts(client, &["50 at 5"]).await;
    // Without a history there is no position.
    let mut sender = TestClient::open(Sender(hub.topic("another"))).await;
    sender.send("7").await;
    assert_eq!(sender.text().await, "[null,null]");
}

#[tokio::test]
async fn returning_client_gets_missed_messages_or_recovered_false() {
    let hub = Hub::local();
    let room = hub.topic::<u32>("room").history(4);
    let begin = room.position().await.unwrap();
    let at = |offset| Some(Position { offset, ..begin });
    let from = async |since: Option<Position>, publish: u32| {
        let (result, recovery) = mpsc::channel();
        let since = since.into();
        let client = TestClient::open(ReturningClient { room: room.clone(), since, result }).await;
        room.publish(publish).unwrap();
        (client, recovery.recv().unwrap())
    };
    for number in 1..=5 {
        room.publish(number * 10).unwrap();
    }
    let (client, recovery) = from(at(1), 60).await;
    assert_eq!(recovery, Recovery { recovered: true, position: at(5) });
    texts(client, &["20 at 2", "30 at 3", "40 at 4", "50 at 5", "60 at 6"]).await;
    // The second message has left the history.
    let (client, recovery) = from(at(1), 70).await;
    assert_eq!(recovery, Recovery { recovered: false, position: at(6) });
    texts(client, &["70 at 7"]).await;
    let (client, recovery) = from(at(7), 80).await;
    assert!(recovery.recovered);
    texts(client, &["80 at 8"]).await;
    // A position in the future, one of another history, and none.
    for since in [at(9), Some(Position { epoch: begin.epoch ^ 1, offset: 8 }), None] {
        let (client, recovery) = from(since, 90).await;
        assert!(!recovery.recovered, "{since:?}");
        drop(client);
    }
    let without = hub.topic::<u32>("another");
    let (result, recovery) = mpsc::channel();
    let _client = TestClient::open(ReturningClient { room: without, since: at(0).into(), result }).await;
    assert_eq!(recovery.recv(), Ok(Recovery { recovered: false, position: None }));
}

#[tokio::test]
async fn new_client_gets_the_last_messages_and_then_new_ones() {
    let hub = Hub::local();
    let room = hub.topic::<u32>("room").history(4);
    let check = async |since: Since, expect: &[u32]| {
        let (result, recovery) = mpsc::channel();
        let end = room.position().await;
        let client = TestClient::open(ReturningClient { room: room.clone(), since, result }).await;
        assert_eq!(recovery.recv(), Ok(Recovery { recovered: true, position: end }), "{since:?}");
        room.publish(0).unwrap();
        let offset = end.unwrap().offset + 1;
        let begin = offset - expect.len() as u64;
        let retained = expect.iter().zip(begin..).map(|(number, offset)| format!("{number} at {offset}"));
        let expect: Vec<_> = retained.chain([format!("0 at {offset}")]).collect();
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
    // Bounded by the length of the history.
    check(Since::Last(4), &[5, 0, 0, 0]).await;
    check(Since::Last(5), &[0; 4]).await;
    check(Since::Beginning, &[0; 4]).await;

    let (result, recovery) = mpsc::channel();
    let without = hub.topic::<u32>("another");
    let _client = TestClient::open(ReturningClient { room: without, since: Since::Last(3), result }).await;
    assert_eq!(recovery.recv(), Ok(Recovery { recovered: false, position: None }));
}

/// Handler whose method runs while up to three new messages are queued.
#[websocket(overflow = drop_oldest, mailbox = 3)]
struct Slow(Topic<u32>);

#[websocket]
impl Slow {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe_from(&self.0, Since::Last(5)).await;
        (6..=10).for_each(|number| drop(self.0.publish(number).unwrap()));
    }
    #[on_info]
    fn number(&mut self, number: Arc<u32>) -> String {
        number.to_string()
    }
    #[on_lagged]
    fn lagged(&mut self, missed: u64) -> String {
        format!("missed {missed}")
    }
}

#[tokio::test]
async fn history_does_not_count_against_the_mailbox() {
    let room = Hub::local().topic::<u32>("room").history(8);
    (1..=5).for_each(|number| drop(room.publish(number).unwrap()));
    texts(TestClient::open(Slow(room)).await, &["missed 2", "3", "4", "5", "6", "7", "8", "9", "10"]).await;
}

#[tokio::test(start_paused = true)]
async fn history_is_retained_for_its_ttl() {
    let hub = Hub::local();
    let history = History::new(4).ttl(Duration::from_secs(10));
    hub.topic::<u32>("room").history(history).publish(1).unwrap();
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(hub.topic::<u32>("room").position().await.map(|position| position.offset), Some(1));
    tokio::time::advance(Duration::from_secs(1)).await;
    // Inserting many others evicts the expired one.
    for number in 0..1000 {
        hub.topic::<u32>(format!("room {number}")).history(history);
    }
    assert_eq!(hub.topic::<u32>("room").position().await, None);
    assert!(hub.len() >= 1000);
}

#[tokio::test(start_paused = true)]
async fn number_of_unused_histories_is_bounded() {
    let hub = Hub::local();
    for number in 0..25_000 {
        hub.topic::<u32>(format!("room {number}")).history(1).publish(1).unwrap();
    }
    assert!(hub.len() <= 10_000, "{}", hub.len());
    assert_eq!(hub.topic::<u32>("room 24999").position().await.map(|position| position.offset), Some(1));
}

/// Returns [`Hub::len`] after the retention task has run.
async fn topics(hub: &Hub) -> usize {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    hub.len()
}

#[tokio::test(start_paused = true)]
async fn retention_task_frees_expired_histories() {
    let hub = Hub::local();
    let topic =
        |name: &str, ttl: u64| hub.topic::<u32>(name).history(History::new(4).ttl(Duration::from_secs(ttl)));
    for number in 0..1000 {
        topic(&number.to_string(), 100).publish(number).unwrap();
    }
    assert_eq!(topics(&hub).await, 1000);
    // These expire first: one stays in use, one is unused. Topic 0 of the others is published to again.
    let used = topic("used", 10);
    used.publish(1).unwrap();
    topic("sooner", 10).publish(1).unwrap();
    assert_eq!(topics(&hub).await, 1002);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(topics(&hub).await, 1002);
    topic("0", 100).publish(2).unwrap();
    tokio::time::advance(Duration::from_millis(1001)).await;
    assert_eq!(topics(&hub).await, 1001);
    // The last message counts for the expiry.
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
    // The task has ended, and the next history starts another one.
    topic("again", 10).publish(1).unwrap();
    assert_eq!(topics(&hub).await, 1);
    tokio::time::advance(Duration::from_millis(10_001)).await;
    assert_eq!(topics(&hub).await, 0);
    // The task also frees histories of a hub that was dropped.
    let value = Arc::new(());
    let orphans = Hub::local().topic_with::<Arc<()>, _>("room", NoCodec).history(4);
    orphans.publish(Arc::clone(&value)).unwrap();
    drop(orphans);
    assert_eq!(Arc::strong_count(&value), 2);
    tokio::time::advance(Duration::from_secs(301)).await;
    topics(&hub).await;
    assert_eq!(Arc::strong_count(&value), 1);
}

/// A codec for values that are never sent.
struct NoCodec;

impl crate::Codec<Arc<()>> for NoCodec {
    const IS_TEXT: bool = false;

    fn encode(&self, _: &Arc<()>, _: &mut Vec<u8>) -> Result<(), crate::BoxError> {
        Ok(())
    }

    fn decode(&self, _: &[u8]) -> Result<Arc<()>, crate::BoxError> {
        Ok(Arc::default())
    }
}

#[test]
fn retention_task_starts_in_the_current_runtime() {
    let hub = Hub::local();
    let create = |name: &str| hub.topic::<u32>(name).history(History::new(4).ttl(Duration::ZERO));
    // First without a runtime, then in one that shuts down, then in one that runs.
    create("a");
    assert_eq!(hub.len(), 1);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    {
        let _runtime = first.enter();
        create("b");
    }
    drop(first);
    assert_eq!(hub.len(), 2);
    second.block_on(async {
        create("c");
        assert_eq!(topics(&hub).await, 0);
    });
}
