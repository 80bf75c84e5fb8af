//! Values that panic when they are decoded or dropped.

use std::error::Error;
use std::fmt;

use ws_core::{BoxError, Codec};

use super::*;

/// A number whose drop panics if decoded from 667, or in the error for 666.
#[derive(Debug)]
struct Number {
    value: u32,
    is_armed: bool,
}

impl Drop for Number {
    fn drop(&mut self) {
        assert!(!self.is_armed, "a value that panics");
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl Error for Number {}

/// A codec that panics for 665 and fails for 666.
struct Digits;

impl Codec<Number> for Digits {
    const IS_TEXT: bool = true;

    fn encode(&self, number: &Number, out: &mut Vec<u8>) -> Result<(), BoxError> {
        out.extend_from_slice(number.to_string().as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Number, BoxError> {
        let value = std::str::from_utf8(bytes)?.parse()?;
        match value {
            665 => panic!("a codec that panics"),
            666 => Err(Number { value, is_armed: true }.into()),
            value => Ok(Number { value, is_armed: value == 667 }),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Event {
    Recovered(bool),
    Received(u32),
    Lagged(u64),
}

#[websocket]
struct Reader {
    numbers: Topic<Number>,
    since: Option<Position>,
    events: mpsc::UnboundedSender<(Event, Option<Position>)>,
}

#[websocket]
impl Reader {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let recovery = cx.subscribe_from(&self.numbers, self.since).await;
        let _ = self.events.send((Event::Recovered(recovery.recovered), None));
    }

    #[on_text]
    fn publish(&mut self, Json(value): Json<u32>, cx: &mut Context<Self>) -> Result<(), PublishError> {
        cx.publish_to_others(&self.numbers, Number { value, is_armed: false })?;
        Ok(())
    }

    #[on_info]
    fn on_published(&mut self, number: Published<Number>) {
        let _ = self.events.send((Event::Received(number.value().value), number.position()));
    }

    #[on_lagged]
    fn on_lagged(&mut self, missed: u64) {
        let _ = self.events.send((Event::Lagged(missed), None));
    }
}

type Events = mpsc::UnboundedReceiver<(Event, Option<Position>)>;

async fn reader(numbers: &Topic<Number>, since: Option<Position>) -> (WebSocketStream<DuplexStream>, Events) {
    let (events, received) = mpsc::unbounded_channel();
    (drive(Reader { numbers: numbers.clone(), since, events }).await, received)
}

async fn next(events: &mut Events) -> (Event, Option<Position>) {
    timeout(TIMEOUT, events.recv())
        .await
        .expect("timed out waiting for an event")
        .expect("the handler has ended")
}

#[tokio::test]
async fn subscribers_survive_values_that_cannot_be_decoded_or_dropped() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let numbers = hub.topic_with("numbers", Digits).history(16);
    let publish = |value| numbers.publish(Number { value, is_armed: false }).unwrap();
    let (mut client, mut live) = reader(&numbers, None).await;
    assert_eq!(next(&mut live).await.0, Event::Recovered(false));
    publish(1);
    let (event, since) = next(&mut live).await;
    assert_eq!(event, Event::Received(1));
    for value in [665, 666, 2] {
        publish(value);
    }
    let (mut missed, mut last) = (0, 0);
    while last != 2 {
        match next(&mut live).await.0 {
            Event::Lagged(count) => missed += count,
            Event::Received(value) => last = value,
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(missed, 2);
    // A recovering subscriber gets the same invalid messages.
    let (back, mut recovering) = reader(&numbers, since).await;
    let (mut events, mut is_done) = (Vec::new(), false);
    while !is_done {
        events.push(next(&mut recovering).await.0);
        is_done = events.contains(&Event::Received(2)) && events.contains(&Event::Recovered(true));
    }
    let missed = events.iter().map(|event| if let Event::Lagged(count) = event { *count } else { 0 });
    assert_eq!(missed.sum::<u64>(), 2, "{events:?}");
    // The only subscriber is excluded from this message, so the receiving task drops the value.
    drop(back);
    wait_until(async || numbers.subscribers() == 1).await;
    client.send(Message::text("667")).await.unwrap();
    wait_until(async || {
        publish(3);
        matches!(timeout(Duration::from_millis(100), live.recv()).await, Ok(Some((Event::Received(3), _))))
    })
    .await;
}
