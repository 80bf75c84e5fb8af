//! A broker that does not answer some requests, or answers late. Other topics are unaffected.

use tests::nats::LossyProxy;
use ws_core::BrokerError;
use ws_core::async_nats::{self, jetstream};

use super::close::{NO_EXPIRY, topics};
use super::*;

/// Subject of the round trip that confirms a core subscription.
const PROBE_SUBJECT: &str = "ws.nobody";

#[tokio::test]
async fn history_works_while_another_stream_cannot_be_created() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    proxy.drop_matching("WS_HISTORY_8_300");
    let stuck = hub.topic::<String>("stuck").history(8);
    let room = hub.topic::<String>("room").history(16);
    let mut session = Session::subscriber(&room).await;
    // Each message of the stuck topic waits for a timeout. The other topic does not wait for them.
    (0..100).for_each(|line| drop(stuck.publish(line.to_string()).unwrap()));
    wait_until(async || proxy.dropped() > 0).await;
    for line in ["1", "2", "3"] {
        room.publish(line.into()).unwrap();
    }
    for line in ["1", "2", "3"] {
        session.expect_message(line).await;
    }
}

#[tokio::test]
async fn recovery_does_not_wait_for_topics_without_answers() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    // `near` shares the stream of the stuck topic, `far` has another one.
    let rooms = [("stuck", 8), ("near", 8), ("far", 16)]
        .map(|(name, len): (_, usize)| hub.topic::<String>(name).history(len));
    let mut sessions = Vec::new();
    for room in &rooms {
        let mut session = Session::subscriber(room).await;
        room.publish("1".into()).unwrap();
        room.publish("2".into()).unwrap();
        let since = session.expect_message("1").await;
        session.expect_message("2").await;
        sessions.push((session, since));
    }
    // Drops the creation of consumers of that subject.
    proxy.drop_matching(":\"ws.h.8_300.stuck\"");
    let mut stuck = Vec::new();
    for _ in 0..500 {
        stuck.push(Session::open(&rooms[0], OnOpen::From(sessions[0].1.into())).await);
    }
    wait_until(async || proxy.dropped() > 0).await;
    for (room, (_, since)) in rooms.iter().zip(&sessions).skip(1) {
        let (mut back, recovery) = Session::from(room, *since).await;
        assert!(recovery.recovered, "{}", room.name());
        back.expect_message("2").await;
    }
    // A subscriber without an answer continues without recovery.
    let mut first = stuck.swap_remove(0);
    assert_eq!(first.next().await, Event::Recovered(Recovery::default()));
    rooms[0].publish("3".into()).unwrap();
    first.expect_message("3").await;
}

#[tokio::test]
async fn late_confirmation_is_reported_to_subscribers_that_gave_up() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    let _before = Session::subscriber(&hub.topic("before").history(8)).await;
    let (stored, plain) = (hub.topic::<String>("stored").history(8), hub.topic::<String>("plain"));
    // Requests about the stream, and the probe that confirms a core subscription.
    for (room, request) in [(stored, "$JS.API.STREAM.INFO."), (plain, PROBE_SUBJECT)] {
        proxy.drop_matching(request);
        // Subscribing gives up after five seconds.
        let mut session = Session::unconfirmed_subscriber(&room).await;
        proxy.deliver_dropped().await;
        assert_eq!(session.next().await, Event::Lagged(0), "{}", room.name());
        room.publish("hello".into()).unwrap();
        session.expect_message("hello").await;
    }
}

/// The waiter's timeout starts before the subscriber's task first runs. A confirmation between the ends of
/// both timeouts must be reported.
#[tokio::test]
async fn confirmation_is_reported_if_the_subscriber_task_started_late() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    proxy.drop_matching(PROBE_SUBJECT);
    let room = hub.topic::<String>("room");
    let mut session = Session::open(&room, OnOpen::Subscribe).await;
    // The handler's task runs next and spawns the subscriber's task. This one runs between the two, on the
    // only thread.
    tokio::spawn(async { std::thread::sleep(Duration::from_secs(2)) });
    assert!(matches!(session.next().await, Event::Failed(_)));
    proxy.deliver_dropped().await;
    assert_eq!(session.next().await, Event::Lagged(0));
}

#[tokio::test]
async fn consumers_are_deleted_with_their_subscribers() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let rooms = [1, 2, 3].map(|number| hub.topic::<String>(format!("room {number}")).history(8));
    let mut sessions = Vec::new();
    for room in &rooms {
        let mut session = Session::subscriber(room).await;
        room.publish("1".into()).unwrap();
        let since = session.expect_message("1").await;
        sessions.push(Session::from(room, since).await.0);
        sessions.push(session);
    }
    let client = async_nats::connect(nats.url()).await.unwrap();
    let stream = jetstream::new(client).get_stream("WS_HISTORY_8_300").await.unwrap();
    let consumers = async || stream.get_info().await.unwrap().state.consumer_count;
    wait_until(async || consumers().await == rooms.len()).await;
    drop(sessions);
    // The server itself would delete them later.
    let deleted = wait_until(async || consumers().await == 0);
    timeout(Duration::from_secs(20), deleted).await.expect("consumers were not deleted in time");
}

#[tokio::test]
async fn stuck_history_does_not_delay_closing_others() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    presence::store(&nats, NO_EXPIRY).await;
    let (hub, elsewhere) = (Hub::nats(&proxy.url()).await.unwrap(), Hub::nats(&nats.url()).await.unwrap());
    let room = elsewhere.topic::<String>("room");
    let mut watcher = Session::open(&room, OnOpen::Watch).await;
    assert_eq!(watcher.next().await, Event::Open);
    let mut session = Session::subscriber(&topics(&elsewhere)[1]).await;
    let _anna = Session::open(&hub.topic("room"), OnOpen::Join("anna")).await;
    assert_eq!(watcher.next().await, Event::Joined("anna".into()));

    proxy.drop_matching("WS_HISTORY_8_300");
    let (stuck, stored) = (hub.topic::<String>("stuck").history(8), &topics(&hub)[1]);
    // Each message waits five seconds for its timeout.
    (0..10).for_each(|line| drop(stuck.publish(line.to_string()).unwrap()));
    stored.publish("1".into()).unwrap();
    let flushed = hub.flush().await;
    assert!(matches!(flushed, Err(BrokerError::TimedOut)), "{flushed:?}");
    stored.publish("2".into()).unwrap();
    let closed = hub.close().await;
    assert!(matches!(closed, Err(BrokerError::TimedOut)), "{closed:?}");
    session.expect_message("1").await;
    session.expect_message("2").await;
    assert_eq!(watcher.next().await, Event::Left("anna".into()));
    // A history whose limits are used for the first time is closed as well.
    let late = hub.topic::<String>("late").history(4);
    assert!(matches!(late.publish("1".into()), Err(PublishError::Closed)));
    assert_eq!(late.position().await, None);
}

#[tokio::test]
async fn searches_and_watchers_end_when_the_hub_is_closed() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    let [room, stored] = topics(&hub);
    let mut reader = Session::subscriber(&stored).await;
    stored.publish("1".into()).unwrap();
    reader.expect_message("1").await;
    let mut watcher = Session::open(&room, OnOpen::Watch).await;
    assert_eq!(watcher.next().await, Event::Open);
    let jetstream = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let consumers = async |stream: &str| {
        let stream = jetstream.get_stream(stream).await.unwrap();
        stream.cached_info().state.consumer_count
    };
    for stream in ["WS_HISTORY_256_300", "KV_ws_presence"] {
        assert_eq!(consumers(stream).await, 1, "{stream}");
    }
    // Drops the creation of consumers of the history.
    proxy.drop_matching(":\"ws.h.256_300.");
    let mut searches = Vec::new();
    // Only eight searches run at a time, so most of these wait for a permit.
    for since in [Since::Last(1), Since::Beginning].repeat(20) {
        searches.push(Session::open(&stored, OnOpen::From(since)).await);
    }
    wait_until(async || proxy.dropped() > 0).await;
    hub.close().await.unwrap();
    for search in &mut searches {
        // An open hub would search for twenty seconds, for eight subscribers at a time.
        let event = timeout(Duration::from_secs(15), search.next()).await.expect("the search did not end");
        assert_eq!(event, Event::Recovered(Recovery::default()));
    }
    // The server itself would delete them later.
    for stream in ["WS_HISTORY_256_300", "KV_ws_presence"] {
        let deleted = wait_until(async || consumers(stream).await == 0);
        timeout(Duration::from_secs(20), deleted).await.expect("consumers were not deleted in time");
    }
}
