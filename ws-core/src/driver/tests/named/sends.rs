//! Messages that the server sends by itself: replies and forwarded topics.

use super::*;
use crate::{EnvelopeCodec, Messages};

#[derive(Clone, serde::Deserialize, serde::Serialize)]
struct Price {
    amount: u32,
}

#[derive(Messages, serde::Deserialize, serde::Serialize)]
enum Event {
    Price(Price),
    Halted {
        symbol: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<u8>,
    },
    #[message("market.closed")]
    Closed,
}

#[websocket(envelope = Tagged(tag = "event", content = "data"), sends = Event)]
struct Market {
    prices: Topic<Price>,
    events: Topic<Event>,
}

#[websocket]
impl Market {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> Vec<Event> {
        cx.subscribe(&self.prices);
        cx.forward(&self.events);
        vec![]
    }

    #[on_message]
    fn list(&mut self, symbols: Vec<String>) -> Vec<Event> {
        symbols.into_iter().map(|symbol| Event::Halted { symbol, until: None }).collect()
    }

    #[on_message]
    async fn later(&mut self) -> (Option<Event>, Deferred<Result<[Event; 1], String>>, Ping) {
        let deferred = Deferred::new(async { Ok([Event::Halted { symbol: "A".into(), until: Some(1) }]) });
        (Some(Event::Closed), deferred, Ping::default())
    }

    #[on_call]
    fn count(&mut self, cx: &mut Context<Self>) -> u8 {
        cx.send(Event::Closed);
        cx.send((None::<Event>, ()));
        1
    }

    #[on_info]
    fn price(&mut self, price: Arc<Price>) -> Event {
        Event::Price(Price::clone(&price))
    }

    #[on_message]
    fn leave(&mut self, cx: &mut Context<Self>) -> Result<(), String> {
        cx.close(4001);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_written_in_the_envelope() {
    let hub = Hub::local();
    let prices = hub.topic::<Price>("prices");
    let events = hub.topic_with("events", EnvelopeCodec::<Tagged<Names>>::new());
    let market = |_| Market { prices: prices.clone(), events: events.clone() };
    let mut peers = [connect(market), connect(market)];
    for peer in &mut peers {
        peer.send(r#"{"event":"list","data":[["A","B"]]}"#).await;
        assert_eq!(peer.text().await, r#"{"event":"halted","data":{"symbol":"A"}}"#);
        assert_eq!(peer.text().await, r#"{"event":"halted","data":{"symbol":"B"}}"#);
        peer.send(r#"{"event":"later"}"#).await;
        assert_eq!(peer.text().await, r#"{"event":"market.closed"}"#);
        assert_eq!(peer.frame().await.unwrap().opcode, 9);
        assert_eq!(peer.text().await, r#"{"event":"halted","data":{"symbol":"A","until":1}}"#);
        peer.send(r#"{"event":"count","id":"x"}"#).await;
        assert_eq!(peer.text().await, r#"{"event":"market.closed"}"#);
        assert_eq!(peer.text().await, r#"{"id":"x","result":1}"#);
    }
    prices.publish(Price { amount: 3 }).unwrap();
    events.publish(Event::Closed).unwrap();
    for peer in &mut peers {
        let mut texts = [peer.text().await, peer.text().await];
        texts.sort();
        assert_eq!(texts, [r#"{"event":"market.closed"}"#, r#"{"event":"price","data":{"amount":3}}"#]);
        peer.send(r#"{"event":"leave"}"#).await;
        assert_eq!(peer.closed().await, 4001);
    }
}

/// The names of the envelope, for the codec of the topic.
enum Names {}

impl crate::TagNames for Names {
    const TAG: &'static str = "event";
    const CONTENT: Option<&'static str> = Some("data");
}
