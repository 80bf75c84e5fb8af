//! Streams that an operator has made larger than the histories of the topics in them.

use tests::nats::LossyProxy;
use ws_core::async_nats::jetstream::stream::Config;
use ws_core::async_nats::{self, jetstream};

use super::*;

/// Length of the history.
const LEN: usize = 64;

/// Number of messages of the topic in the stream.
const STORED: u64 = 20_000;

/// Removes the limit of the messages of a topic, in a stream that a hub has created.
async fn remove_limit(nats: &NatsServer, name: &str) {
    let jetstream = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = jetstream.get_stream(name).await.unwrap();
    let config = stream.cached_info().config.clone();
    jetstream.update_stream(Config { max_messages_per_subject: -1, ..config }).await.unwrap();
}

/// Publishes numbered lines until the stream has all of them.
async fn publish(hub: &Hub, room: &Topic<String>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        wait_until(async || match room.publish(number.to_string()) {
            Ok(_) => true,
            Err(PublishError::Full) => false,
            Err(error) => panic!("{error}"),
        })
        .await;
        if number % 1000 == 0 {
            wait_until(async || hub.flush().await.is_ok()).await;
        }
    }
    wait_until(async || hub.flush().await.is_ok()).await;
}

/// Returns how many messages the server has sent to its clients so far.
async fn sent(nats: &NatsServer) -> usize {
    nats.statistic("/varz", "out_msgs").await
}

/// Receives the last lines of the history, and nothing else.
async fn expect_last(session: &mut Session, lines: std::ops::Range<u64>) {
    for number in lines {
        session.expect_message(&number.to_string()).await;
    }
    assert!(session.events.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_history_is_read_and_delivered() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let publisher = Hub::nats(&nats.url()).await.unwrap();
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    let [from, room] = [&publisher, &hub].map(|hub| hub.topic::<String>("room").history(LEN));
    let other = publisher.topic::<String>("another").history(LEN);
    let mut stayed = Session::subscriber(&room).await;
    publish(&publisher, &from, 0..1).await;
    let first = stayed.expect_message("0").await;
    remove_limit(&nats, "WS_HISTORY_64_300").await;

    // The process is away while the stream grows. Another topic makes the offsets of this one differ.
    proxy.set_offline();
    publish(&publisher, &other, 0..10).await;
    publish(&publisher, &from, 1..STORED).await;
    let before = sent(&nats).await;
    proxy.set_online();
    let (mut missed, mut reports) = (0, Vec::new());
    let next = loop {
        match stayed.next().await {
            Event::Lagged(lagged) => {
                missed += lagged;
                reports.push(lagged);
            }
            Event::Received(line) => break line,
            other => panic!("{other:?}"),
        }
    };
    // The process catches up with the history alone, and the loss is counted.
    println!("{reports:?} before {next}");
    assert_eq!((next, missed), ((STORED - LEN as u64).to_string(), STORED - LEN as u64 - 1));
    expect_last(&mut stayed, STORED - LEN as u64 + 1..STORED).await;
    let caught_up = sent(&nats).await - before;
    assert!(caught_up < 4 * LEN + 100, "{caught_up} messages to catch up");

    // A process reads what it delivers, and at most the history.
    let before = sent(&nats).await;
    for (since, len) in [(Since::Beginning, LEN), (Since::Last(10_000), LEN), (Since::Last(5), 5)] {
        let (mut session, recovery) = Session::from(&room, since).await;
        assert!(recovery.recovered);
        expect_last(&mut session, STORED - len as u64..STORED).await;
    }
    let (mut session, recovery) = Session::from(&room, first).await;
    assert!(!recovery.recovered, "more follow than the history has");
    assert!(session.events.try_recv().is_err());
    let read = sent(&nats).await - before;
    assert!(read < 4 * (2 * LEN + 100), "{read} messages for four recoveries");

    // The position of a message right before the history.
    let mut position = None;
    for number in STORED..STORED + 1 + LEN as u64 {
        from.publish(number.to_string()).unwrap();
        let at = stayed.expect_message(&number.to_string()).await;
        position = position.or(at);
    }
    let (mut session_back, recovery) = Session::from(&room, position).await;
    assert!(recovery.recovered);
    expect_last(&mut session_back, STORED + 1..STORED + 1 + LEN as u64).await;
}

/// A process that is behind while it is connected gets all messages that the stream has. No loss is reported, although
/// the history would have discarded messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_the_stream_has_are_not_reported_as_lost() {
    const MESSAGES: u64 = 3000;
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(LEN));
    let other = hubs[0].topic::<String>("another").history(LEN);
    publish(&hubs[0], &rooms[0], 0..1).await;
    remove_limit(&nats, "WS_HISTORY_64_300").await;
    let mut session = Session::subscriber(&rooms[1]).await;
    for number in 1..MESSAGES {
        // Offsets of the topic are not consecutive.
        wait_until(async || other.publish("elsewhere".into()).is_ok()).await;
        wait_until(async || rooms[0].publish(number.to_string()).is_ok()).await;
    }
    expect_last(&mut session, 1..MESSAGES).await;
}

/// A server closes a connection for which more than `max_pending` bytes wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_of_large_messages_is_read_in_parts() {
    const LARGE: usize = 400 << 10;
    let Some(nats) = NatsServer::start_with("max_pending: 4MB").await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(LEN));
    for number in 0..LEN {
        let line = format!("{number}:{}", "x".repeat(LARGE));
        rooms[0].publish(line).unwrap().await.unwrap();
    }
    let (mut session, recovery) = Session::from(&rooms[1], Since::Beginning).await;
    assert!(recovery.recovered);
    for number in 0..LEN {
        let Event::Received(line) = session.next().await else { panic!("no message {number}") };
        assert!(line.starts_with(&format!("{number}:")) && line.len() > LARGE);
    }
    assert_eq!(nats.statistic("/varz", "slow_consumers").await, 0);
    assert_eq!(nats.connections_so_far().await, 2);
}
