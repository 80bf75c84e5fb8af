//! Messages that wait in the queue of a connection.

use super::*;

#[tokio::test]
async fn running_method_does_not_delay_forwarded_messages() {
    let room = Hub::local().topic::<String>("room");
    let mut client = TestClient::open(Forwards(room.clone())).await;
    client.send("be busy").await;
    // Each message is larger than the high-water mark of the outbox.
    for number in 0..5 {
        room.publish(format!("{number}{}", "x".repeat(2000))).unwrap();
    }
    for number in 0..5 {
        assert!(client.text().await.starts_with(&format!("\"{number}")));
    }
}

/// Handler that subscribes, forwards and watches.
#[websocket(overflow = latest)]
struct Both(Topic<u32>);

#[websocket]
impl Both {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe(&self.0);
        cx.forward(&self.0);
        cx.watch(&self.0);
        cx.join(&self.0, "anna");
        // All messages stay in the queue until this method returns.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    #[on_info]
    fn number(&mut self, number: Arc<u32>) -> String {
        format!("received {number}")
    }
    #[on_info]
    fn presence(&mut self, presence: Presence) -> String {
        match presence {
            Presence::Joined(member) => format!("{} is here", member.name),
            Presence::Left(member) => format!("{} has left", member.name),
        }
    }
}

#[tokio::test]
async fn latest_replaces_messages_of_the_same_subscription_kind_only() {
    let topic = Hub::local().topic::<u32>("numbers");
    let mut client = TestClient::open(Both(topic.clone())).await;
    topic.publish(1).unwrap();
    topic.publish(2).unwrap();
    client.advance(Duration::from_secs(1)).await;
    texts(client, &["anna is here", "received 2", "2"]).await;
}

/// Handler that subscribes from the same position several times.
#[websocket]
struct Impatient(Topic<u32>, Option<Position>);

#[websocket]
impl Impatient {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        for _ in 0..3 {
            assert!(cx.subscribe_from(&self.0, self.1).await.recovered);
            self.0.publish(7).unwrap();
        }
    }
    #[on_info]
    fn number(&mut self, number: Published<u32>) -> String {
        format!("{} at {}", *number, number.position().map_or(0, |position| position.offset))
    }
}

#[tokio::test]
async fn repeated_recovery_delivers_each_message_once() {
    let topic = Hub::local().topic::<u32>("numbers").history(8);
    let since = topic.position().await;
    topic.publish(5).unwrap();
    topic.publish(6).unwrap();
    let client = TestClient::open(Impatient(topic, since)).await;
    texts(client, &["5 at 1", "6 at 2", "7 at 3", "7 at 4", "7 at 5"]).await;
}

#[websocket(overflow = close, mailbox = 3, outbox_high_water = 1KiB)]
struct Strict(Topic<String>);

#[websocket]
impl Strict {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.forward(&self.0);
    }
}

#[tokio::test]
async fn client_that_does_not_read_is_closed_on_overflow() {
    let prices = Hub::local().topic::<String>("prices");
    let mut client = TestClient::open(Strict(prices.clone())).await;
    // Fills the pipe and the outbox, then the queue.
    for _ in 0..4 {
        prices.publish("x".repeat(100_000)).unwrap();
        client.advance(Duration::ZERO).await;
    }
    for _ in 0..4 {
        prices.publish("much".into()).unwrap();
        client.advance(Duration::ZERO).await;
    }
    client.advance(Duration::from_secs(6)).await;
    assert_eq!(prices.subscribers(), 0);
    assert_eq!(client.close_reason().await, CloseReason::Overflow);
}

#[websocket(overflow = latest, outbox_high_water = 1KiB)]
struct Prices(Topic<String>);

#[websocket]
impl Prices {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.forward(&self.0);
    }
    #[on_lagged]
    fn lagged(&mut self, missed: u64) -> String {
        format!("missed {missed}")
    }
}

#[tokio::test]
async fn client_that_does_not_read_misses_old_messages() {
    let prices = Hub::local().topic::<String>("prices");
    let mut client = TestClient::open(Prices(prices.clone())).await;
    // Fills the pipe and the outbox.
    let long = "x".repeat(100_000);
    for _ in 0..4 {
        prices.publish(long.clone()).unwrap();
        client.advance(Duration::ZERO).await;
    }
    for number in 0..100 {
        prices.publish(number.to_string()).unwrap();
        client.advance(Duration::ZERO).await;
    }
    let mut got = Vec::new();
    while got.last().is_none_or(|last| last != r#""99""#) {
        got.push(client.text().await);
    }
    let missed: u64 = got.iter().filter_map(|text| text.strip_prefix("missed ")?.parse::<u64>().ok()).sum();
    let received = got.iter().filter(|text| text.starts_with('"')).count() as u64;
    assert_eq!(received + missed, 104);
    assert!(missed > 90, "{missed}");
}
