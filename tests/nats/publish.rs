//! Messages reach the subscribers of all processes once and in order.

use futures_util::StreamExt;
use ws_core::Codec;

use super::*;

#[tokio::test]
async fn all_subscribers_receive_all_messages_once_and_in_order() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room:lobby"));
    let mut sessions = Vec::new();
    for room in &rooms {
        sessions.push(Session::subscriber(room).await);
        sessions.push(Session::subscriber(room).await);
    }
    for (number, room) in rooms.iter().enumerate() {
        (0..500).for_each(|line| drop(room.publish(format!("{number}:{line}")).unwrap()));
    }
    for session in &mut sessions {
        let mut next = [0, 0];
        while next != [500, 500] {
            let Event::Received(line) = session.next().await else { panic!("a message is missing") };
            let (publisher, line) = line.split_once(':').unwrap();
            let next = &mut next[publisher.parse::<usize>().unwrap()];
            assert_eq!(line, next.to_string());
            *next += 1;
        }
        assert!(session.events.try_recv().is_err());
    }
    // Local subscribers receive a message at once.
    rooms[0].publish("last".into()).unwrap();
    for session in &mut sessions {
        session.expect_message("last").await;
    }
}

#[tokio::test]
async fn publish_to_others_reaches_all_processes_except_the_sender() {
    let Some(nats) = NatsServer::start().await else { return };
    for history in [None, Some(16)] {
        let name = format!("room {history:?}");
        let topic = |hub: &Hub| {
            let room = hub.topic::<String>(&name);
            history.map_or(room.clone(), |len: usize| room.history(len))
        };
        let hubs = hubs(&nats).await;
        let rooms = hubs.each_ref().map(topic);
        let mut sessions = Vec::new();
        for room in [&rooms[0], &rooms[0], &rooms[1]] {
            sessions.push(Session::subscriber(room).await);
        }
        sessions[0].send("others: hi").await;
        sessions[1].expect_message("others: hi").await;
        sessions[2].expect_message("others: hi").await;
        sessions[0].send("all").await;
        for session in &mut sessions {
            session.expect_message("all").await;
        }
    }
}

#[tokio::test]
async fn process_subscribes_once_and_while_a_topic_has_subscribers() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    rooms[0].publish("a publisher does not subscribe".into()).unwrap();
    let mut anna = Session::subscriber(&rooms[0]).await;
    let mut ben = Session::subscriber(&rooms[0]).await;
    assert_eq!(nats.subscriptions("ws.t.room").await, 1);
    anna.send("unsubscribe").await;
    wait_until(async || rooms[0].subscribers() == 1).await;
    rooms[1].publish("for Ben".into()).unwrap();
    ben.expect_message("for Ben").await;
    assert_eq!(nats.subscriptions("ws.t.room").await, 1);
    drop(ben);
    wait_until(async || nats.subscriptions("ws.t.room").await == 0).await;
    // A second subscription starts fresh.
    let mut carl = Session::subscriber(&rooms[0]).await;
    rooms[1].publish("for Carl".into()).unwrap();
    carl.expect_message("for Carl").await;
    assert!(anna.events.try_recv().is_err());
}

struct Digits;

impl Codec<u32> for Digits {
    const IS_TEXT: bool = true;

    fn encode(&self, value: &u32, out: &mut Vec<u8>) -> Result<(), ws_core::BoxError> {
        out.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<u32, ws_core::BoxError> {
        assert_ne!(bytes, b"666", "a codec that panics");
        Ok(std::str::from_utf8(bytes)?.parse()?)
    }
}

#[websocket]
struct Client(Topic<u32>, mpsc::UnboundedSender<()>);

#[websocket]
impl Client {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.forward(&self.0).await.unwrap();
        self.1.send(()).unwrap();
    }

    #[on_lagged]
    fn on_lagged(&mut self, missed: u64) -> String {
        format!("missed {missed}")
    }
}

#[tokio::test]
async fn messages_are_forwarded_and_undecodable_ones_count_as_missed() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let (opened, mut wait_opened) = mpsc::unbounded_channel();
    let mut client = drive(Client(hubs[0].topic_with("numbers", Digits), opened)).await;
    wait_opened.recv().await.unwrap();
    let numbers = hubs[1].topic_with("numbers", Digits);
    numbers.publish(1).unwrap();
    numbers.publish(666).unwrap();
    // A topic of the same name with another type, for example of an older version of the program.
    hubs[1].topic::<String>("numbers").publish("not a number".into()).unwrap();
    numbers.publish(2).unwrap();
    let mut received = Vec::new();
    while received.len() < 3 {
        let message = timeout(TIMEOUT, client.next()).await.unwrap().unwrap().unwrap();
        received.push(message.into_text().unwrap().to_string());
    }
    // Consecutive gaps are merged unless the handler runs between them.
    if received[2] != "2" {
        assert_eq!(received.split_off(1), ["missed 1", "missed 1"]);
        let message = timeout(TIMEOUT, client.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(message, Message::text("2"));
    } else {
        assert_eq!(received, ["1", "missed 2", "2"]);
    }
}

#[tokio::test]
async fn too_large_message_is_rejected() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    let mut sessions = [Session::subscriber(&rooms[0]).await, Session::subscriber(&rooms[1]).await];
    let error = rooms[0].publish("x".repeat(1024 * 1024)).unwrap_err();
    assert!(matches!(error, PublishError::TooLarge { size: 1_048_578, .. }), "{error}");
    // The largest accepted message arrives.
    let PublishError::TooLarge { limit, .. } = error else { unreachable!() };
    let large = "x".repeat(limit - 2);
    rooms[0].publish(large.clone()).unwrap();
    for session in &mut sessions {
        session.expect_message(&large).await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn full_queue_rejects_a_message_for_all_subscribers() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    let mut sessions = [Session::subscriber(&rooms[0]).await, Session::subscriber(&rooms[1]).await];
    // The test blocks the only thread, so the queue is not drained meanwhile.
    let large = "x".repeat(1_000_000);
    let mut published = 0;
    let error = loop {
        match rooms[0].publish(large.clone()) {
            Ok(_) => published += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PublishError::Full), "{error}");
    assert!(published > 10);
    for session in &mut sessions {
        for _ in 0..published {
            session.expect_message(&large).await;
        }
        assert!(session.events.try_recv().is_err());
    }
}

#[tokio::test]
async fn local_topic_stays_in_its_process() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.local_topic::<String>("room"));
    let mut sessions = [Session::subscriber(&rooms[0]).await, Session::subscriber(&rooms[1]).await];
    rooms[0].publish("here".into()).unwrap();
    rooms[1].publish("there".into()).unwrap();
    sessions[0].expect_message("here").await;
    sessions[1].expect_message("there").await;
    assert_eq!(nats.subscriptions("ws.t.room").await, 0);
    // A history is in memory, so its positions are known at once.
    let stored = hubs[0].local_topic::<String>("stored").history(16);
    assert!(stored.publish("here".into()).unwrap().position().is_some());
    // The topic of the same name that other processes share has a subscription.
    let _shared = Session::subscriber(&hubs[0].topic("room")).await;
    assert_eq!(nats.subscriptions("ws.t.room").await, 1);
}
