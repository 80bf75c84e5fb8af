//! What topics cost the server, by its own count.

use futures_util::StreamExt;
use ws_core::async_nats::{self, HeaderMap, jetstream};

use super::*;

const MESSAGES: usize = 1000;

/// A message of each test, as it is on the wire.
const PAYLOAD: &str = "\"0123456789\"";

/// What the server has counted so far.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    messages: usize,
    bytes: usize,
    subscriptions: usize,
    /// Requests to the API of JetStream.
    requests: usize,
    streams: usize,
}

impl Counts {
    async fn of(nats: &NatsServer) -> Self {
        let api = nats.statistic("/jsz", "total").await;
        Self {
            messages: nats.statistic("/varz", "in_msgs").await,
            bytes: nats.statistic("/varz", "in_bytes").await,
            subscriptions: nats.statistic("/subsz", "num_subscriptions").await,
            requests: api,
            streams: nats.statistic("/jsz", "streams").await,
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            messages: self.messages - before.messages,
            bytes: self.bytes - before.bytes,
            subscriptions: self.subscriptions - before.subscriptions,
            requests: self.requests - before.requests,
            streams: self.streams - before.streams,
        }
    }
}

/// The size of a message in the format of the earlier version, which has the header `Ws` alone.
fn earlier_size(node: &str, number: usize) -> usize {
    format!("NATS/1.0\r\nWs: {node}.0.{number:x}\r\n\r\n{PAYLOAD}").len()
}

/// Returns the identity in a message that a hub has sent: the process, the sender and the number.
fn identity(headers: Option<&HeaderMap>) -> Vec<String> {
    let id = headers.and_then(|headers| headers.get("Ws")).expect("a message of a hub has an identity");
    id.as_str().split('.').map(str::to_owned).collect()
}

#[tokio::test]
async fn topic_without_subscribers_and_history_costs_its_messages_alone() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    // The identity of the process and of the sender are part of the size.
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut subscription = client.subscribe("ws.t.room").await.unwrap();
    wait_until(async || nats.subscriptions("ws.t.room").await == 1).await;
    let room = hub.topic::<String>("room");
    room.publish("0123456789".into()).unwrap();
    let message = timeout(TIMEOUT, subscription.next()).await.unwrap().unwrap();
    let [node, sender, _] = &identity(message.headers.as_ref())[..] else { panic!("{message:?}") };
    assert_eq!(std::str::from_utf8(&message.payload).unwrap(), PAYLOAD);
    drop((subscription, client));
    wait_until(async || nats.connections().await == 1).await;

    let before = Counts::of(&nats).await;
    for _ in 0..MESSAGES {
        wait_until(async || room.publish("0123456789".into()).is_ok()).await;
    }
    wait_until(async || Counts::of(&nats).await.messages - before.messages >= MESSAGES).await;
    let numbers = 2..MESSAGES + 2;
    let bytes = numbers.map(|number| earlier_size(node, number) + sender.len() - 1).sum();
    let expected = Counts { messages: MESSAGES, bytes, subscriptions: 0, requests: 0, streams: 0 };
    assert_eq!(Counts::of(&nats).await.since(&before), expected);
    println!("without a history: {bytes} bytes for {MESSAGES} messages, as many as before");
    // Nothing follows: neither a mark nor a check.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(Counts::of(&nats).await.since(&before), expected);
}

#[tokio::test]
async fn message_of_a_history_costs_its_base_and_its_identity_for_the_server() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("room").history(10_000);
    room.publish("0123456789".into()).unwrap().await.unwrap();
    let before = Counts::of(&nats).await;
    for _ in 0..MESSAGES {
        room.publish("0123456789".into()).unwrap().await.unwrap();
    }
    let Counts { messages, bytes, requests, .. } = Counts::of(&nats).await.since(&before);
    // Messages and their acknowledgements; no requests besides.
    assert_eq!((messages, requests), (MESSAGES, 0));
    let jetstream = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = jetstream.get_stream("WS_HISTORY_10000_300").await.unwrap();
    let last = stream.get_raw_message(MESSAGES as u64 + 1).await.unwrap();
    let node = &identity(Some(&last.headers))[0];
    let earlier: usize = (2..MESSAGES + 2).map(|number| earlier_size(node, number)).sum();
    println!("with a history: {bytes} bytes for {MESSAGES} messages, {earlier} before");
    let (more, limit) = (bytes - earlier, 110 * MESSAGES);
    assert!(more <= limit, "{more} bytes more for {MESSAGES} messages");
}
