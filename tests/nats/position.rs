//! The positions of published messages, from the broker's acknowledgements.

use futures_util::{FutureExt, StreamExt};
use tests::nats::LossyProxy;
use ws_core::async_nats::jetstream::{self, stream};
use ws_core::{BoxError, BrokerError, async_nats};

use super::*;

/// Publishes a line, and awaits its position.
async fn publish(room: &Topic<String>, line: &str) -> Option<Position> {
    room.publish(line.to_owned()).unwrap().await.unwrap()
}

#[tokio::test]
async fn publisher_gets_the_position_that_subscribers_get() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(16));
    let mut session = Session::subscriber(&rooms[1]).await;
    let mut positions = Vec::new();
    for (room, line) in [(&rooms[0], "1"), (&rooms[1], "2"), (&rooms[0], "3")] {
        let ack = room.publish(line.to_owned()).unwrap();
        assert_eq!(ack.position(), None, "not known before the broker has stored the message");
        positions.push(ack.await.unwrap());
        assert_eq!(session.expect_message(line).await, positions[positions.len() - 1]);
    }
    // A wait that is cancelled before it begins, or in the middle, does not cancel the message.
    drop(rooms[0].publish("4".to_owned()).unwrap());
    let mut cancelled = Box::pin(rooms[0].publish("5".to_owned()).unwrap());
    assert!((&mut cancelled).now_or_never().is_none());
    drop(cancelled);
    session.expect_message("4").await;
    session.expect_message("5").await;

    // A subscription from a message's position starts with the message after it.
    let (mut back, recovery) = Session::from(&rooms[1], positions[1]).await;
    assert!(recovery.recovered);
    for line in ["3", "4", "5"] {
        back.expect_message(line).await;
    }
    assert!(back.events.try_recv().is_err());
}

#[tokio::test]
async fn message_without_a_history_has_no_position() {
    let Some(nats) = NatsServer::start().await else { return };
    let [hub, _] = hubs(&nats).await;
    assert_eq!(publish(&hub.topic("room"), "hello").await, None);
}

#[tokio::test]
async fn rejected_message_and_missing_answer_are_errors() {
    let Some(nats) = NatsServer::start().await else { return };
    let client = async_nats::connect(nats.url()).await.unwrap();
    let config = stream::Config {
        name: "WS_HISTORY_16_300".into(),
        subjects: vec!["ws.h.16_300.*".into()],
        max_message_size: 300,
        ..Default::default()
    };
    jetstream::new(client).create_stream(config).await.unwrap();
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    let room = hub.topic::<String>("room").history(16);
    assert!(publish(&room, "short").await.is_some());
    let error = room.publish("x".repeat(1000)).unwrap().await.unwrap_err();
    assert!(matches!(error, BrokerError::Refused(_)), "{error:?}");

    // The message does not reach the server; the stream of the other topic is not created.
    proxy.drop_matching("lost");
    let (lost, stuck) = (room.publish("lost".into()).unwrap(), hub.topic::<String>("stuck").history(8));
    assert!(matches!(lost.await, Err(BrokerError::TimedOut)));
    proxy.drop_matching("WS_HISTORY_8_300");
    let error = stuck.publish("hello".into()).unwrap().await.unwrap_err();
    assert!(matches!(error, BrokerError::TimedOut), "{error:?}");
}

#[tokio::test]
async fn position_in_a_stream_that_was_created_anew_is_not_mistaken_for_another() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(16));
    for line in ["1", "2", "3"] {
        assert!(publish(&rooms[0], line).await.is_some());
    }
    let client = async_nats::connect(nats.url()).await.unwrap();
    jetstream::new(client).delete_stream("WS_HISTORY_16_300").await.unwrap();
    // Another process creates the stream again, so that the first one gets no error from it.
    assert!(publish(&rooms[1], "other 1").await.is_some());
    let stale = publish(&rooms[0], "4").await;
    publish(&rooms[1], "other 2").await;
    let (_, recovery) = Session::from(&rooms[1], stale).await;
    assert!(!recovery.recovered, "the position is not one of the new stream");
    // From the next message on, positions are those of the new stream.
    let position = publish(&rooms[0], "5").await;
    publish(&rooms[1], "other 3").await;
    let (mut back, recovery) = Session::from(&rooms[1], position).await;
    assert!(recovery.recovered);
    back.expect_message("other 3").await;
}

/// A sync method that tells its client the position of its message.
#[websocket]
struct Sender(Topic<String>);

struct Stored(Result<Option<Position>, BrokerError>);

#[websocket]
impl Sender {
    #[on_text]
    fn publish(&mut self, text: String, cx: &mut Context<Self>) -> Result<(), PublishError> {
        let (ack, addr) = (self.0.publish(text)?, cx.addr());
        tokio::spawn(async move { addr.send(Stored(ack.await)) });
        Ok(())
    }

    #[on_info]
    fn stored(&mut self, Stored(position): Stored) -> Result<Json<Option<Position>>, BoxError> {
        Ok(Json(position?))
    }
}

#[tokio::test]
async fn sync_method_answers_with_the_position() {
    let Some(nats) = NatsServer::start().await else { return };
    let [hub, _] = hubs(&nats).await;
    let room = hub.topic::<String>("room").history(16);
    let mut client = drive(Sender(room.clone())).await;
    client.send(Message::text("hello")).await.unwrap();
    let answer = timeout(TIMEOUT, client.next()).await.unwrap().unwrap().unwrap();
    let position = room.position().await.unwrap();
    assert_eq!(answer, Message::text(format!(r#""{position}""#)));
}

#[tokio::test]
async fn position_is_known_after_the_hub_was_closed() {
    let Some(nats) = NatsServer::start().await else { return };
    let [hub, _] = hubs(&nats).await;
    let room = hub.topic::<String>("room").history(16);
    let ack = room.publish("hello".to_owned()).unwrap();
    hub.close().await.unwrap();
    assert_eq!(ack.await.unwrap().map(|position| position.offset), Some(1));
}
