//! Forwarding to clients that starts in the history.

use std::sync::mpsc;

use super::*;
use crate::Recovery;

#[websocket]
struct ForwardsFrom {
    room: Topic<String>,
    since: Since,
    result: mpsc::Sender<Recovery>,
}

#[websocket]
impl ForwardsFrom {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let recovery = cx.forward_from(&self.room, self.since).await;
        self.result.send(recovery).unwrap();
    }
    #[on_text]
    async fn again(&mut self, _: &str, cx: &mut Context<Self>) {
        assert!(cx.forward_from(&self.room, self.since).await.recovered);
    }
    #[on_lagged]
    fn lagged(&mut self, missed: u64) -> String {
        format!("lagged {missed}")
    }
}

async fn open(room: &Topic<String>, since: impl Into<Since>) -> (TestClient<ForwardsFrom>, Recovery) {
    let (result, recovery) = mpsc::channel();
    let client = TestClient::open(ForwardsFrom { room: room.clone(), since: since.into(), result }).await;
    (client, recovery.recv().unwrap())
}

#[tokio::test]
async fn client_gets_missed_messages_and_then_new_ones() {
    let room = Hub::local().topic::<String>("room").history(3);
    let positions = ["1", "2", "3", "4"].map(|line| room.publish(line.into()).unwrap().position().unwrap());
    let position = Some(positions[3]);
    let (first, second) = (open(&room, positions[1]).await, open(&room, Since::Last(1)).await);
    // The second message has left the history.
    let (third, fourth) = (open(&room, positions[0]).await, open(&room, None).await);
    room.publish("5".into()).unwrap();
    for ((client, recovery), recovered, lines) in [
        (first, true, &[r#""3""#, r#""4""#, r#""5""#][..]),
        (second, true, &[r#""4""#, r#""5""#]),
        (third, true, &[r#""2""#, r#""3""#, r#""4""#, r#""5""#]),
        (fourth, false, &[r#""5""#]),
    ] {
        assert_eq!(recovery, Recovery { recovered, position });
        texts(client, lines).await;
    }
    // Four messages follow the position, and the history has three.
    let (client, recovery) = open(&room, positions[0]).await;
    assert!(!recovery.recovered);
    room.publish("6".into()).unwrap();
    texts(client, &[r#""6""#]).await;
}

#[tokio::test]
async fn second_call_starts_again_and_the_first_subscription_ends() {
    let room = Hub::local().topic::<String>("room").history(4);
    room.publish("1".into()).unwrap();
    let (mut client, _) = open(&room, Since::Beginning).await;
    assert_eq!(client.text().await, r#""1""#);
    client.send("again").await;
    assert_eq!(client.text().await, r#""1""#);
    assert_eq!(room.subscribers(), 1);
    room.publish("2".into()).unwrap();
    texts(client, &[r#""2""#]).await;
    // Messages are not encoded any more after the last client has left.
    let upper = Hub::local().topic_with("room", Upper).history(4);
    let (mut client, _) = open(&upper, Since::Beginning).await;
    client.close(1000).await;
    upper.publish("reject".into()).unwrap();
}

#[tokio::test]
async fn stored_message_that_cannot_be_encoded_counts_as_missed() {
    let room = Hub::local().topic_with("room", Upper).history(4);
    for line in ["first", "reject", "panic", "last"] {
        room.publish(line.into()).unwrap();
    }
    let (client, recovery) = open(&room, Since::Beginning).await;
    assert!(recovery.recovered);
    room.publish("new".into()).unwrap();
    texts(client, &["FIRST", "lagged 2", "LAST", "NEW"]).await;
}

/// A codec that counts the calls of `encode`.
struct Counting(Arc<std::sync::atomic::AtomicUsize>);

impl Codec<String> for Counting {
    const IS_TEXT: bool = true;

    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), crate::BoxError> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, _: &[u8]) -> Result<String, crate::BoxError> {
        unreachable!("a hub of one process decodes nothing")
    }
}

#[tokio::test]
async fn stored_message_is_encoded_once_for_all_clients() {
    let encoded = Arc::<std::sync::atomic::AtomicUsize>::default();
    let room = Hub::local().topic_with("room", Counting(Arc::clone(&encoded))).history(4);
    room.publish("1".into()).unwrap();
    room.publish("2".into()).unwrap();
    assert_eq!(encoded.load(std::sync::atomic::Ordering::Relaxed), 0);
    for _ in 0..3 {
        let (client, _) = open(&room, Since::Beginning).await;
        texts(client, &["1", "2"]).await;
    }
    assert_eq!(encoded.load(std::sync::atomic::Ordering::Relaxed), 2);
}
