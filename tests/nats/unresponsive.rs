//! The broker does not answer for one topic, or not for long; others go on.

use tests::nats::LossyProxy;
use ws_core::BrokerError;
use ws_core::async_nats::{self, jetstream};

use super::close::{FOR_EVER, topics};
use super::*;

#[tokio::test]
async fn what_is_kept_goes_on_while_another_stream_cannot_be_made() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    proxy.drop_matching("WS_HISTORY_8_300");
    let stuck = hub.topic::<String>("stuck").history(8);
    let room = hub.topic::<String>("room").history(16);
    let mut session = Session::subscriber(&room).await;
    // As long as it takes to find out for each of them, nobody waits here.
    (0..100).for_each(|line| stuck.publish(line.to_string()).unwrap());
    wait_until(async || proxy.dropped() > 0).await;
    for line in ["1", "2", "3"] {
        room.publish(line.into()).unwrap();
    }
    for line in ["1", "2", "3"] {
        session.expect_message(line).await;
    }
}

#[tokio::test]
async fn who_comes_back_does_not_wait_for_those_who_get_no_answer() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    // One of the same stream, and one of another.
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
    // Consumers of that subject.
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
    // Whoever gets no answer goes on without.
    let mut first = stuck.swap_remove(0);
    assert_eq!(first.next().await, Event::Recovered(Recovery::default()));
    rooms[0].publish("3".into()).unwrap();
    first.expect_message("3").await;
}

#[tokio::test]
async fn subscription_that_begins_late_is_told_to_who_has_not_waited_for_it() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    let _before = Session::subscriber(&hub.topic("before").history(8)).await;
    let (kept, plain) = (hub.topic::<String>("kept").history(8), hub.topic::<String>("plain"));
    // Questions about streams, and the one that says that the server has seen to what was before.
    for (room, question) in [(kept, "$JS.API.STREAM.INFO."), (plain, "ws.nobody")] {
        proxy.drop_matching(question);
        // That takes five seconds.
        let mut session = Session::subscriber(&room).await;
        proxy.deliver_dropped().await;
        assert_eq!(session.next().await, Event::Lagged(0), "{}", room.name());
        room.publish("hello".into()).unwrap();
        session.expect_message("hello").await;
    }
}

/// The waiter's timeout starts before the subscriber's task first runs. A confirmation between the ends of
/// both timeouts must be reported.
#[tokio::test]
async fn confirmation_shortly_after_the_wait_is_reported_when_the_subscriber_started_late() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    proxy.drop_matching("ws.nobody");
    let room = hub.topic::<String>("room");
    let mut session = Session::open(&room, OnOpen::Subscribe).await;
    // The handler's task runs next and spawns the subscriber's task. This one runs between the two, on the
    // only thread.
    tokio::spawn(async { std::thread::sleep(Duration::from_secs(2)) });
    assert_eq!(session.next().await, Event::Open);
    proxy.deliver_dropped().await;
    assert_eq!(session.next().await, Event::Lagged(0));
}

#[tokio::test]
async fn consumers_end_with_those_who_read() {
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
    // Sooner than the server would see to it.
    let deleted = wait_until(async || consumers().await == 0);
    timeout(Duration::from_secs(20), deleted).await.expect("they are deleted");
}

#[tokio::test]
async fn history_that_gets_no_answer_holds_up_no_other_at_the_end() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    presence::store(&nats, FOR_EVER).await;
    let (hub, elsewhere) = (Hub::nats(&proxy.url()).await.unwrap(), Hub::nats(&nats.url()).await.unwrap());
    let room = elsewhere.topic::<String>("room");
    let mut watcher = Session::open(&room, OnOpen::Watch).await;
    assert_eq!(watcher.next().await, Event::Open);
    let mut session = Session::subscriber(&topics(&elsewhere)[1]).await;
    let _anna = Session::open(&hub.topic("room"), OnOpen::Join("anna")).await;
    assert_eq!(watcher.next().await, Event::Joined("anna".into()));

    proxy.drop_matching("WS_HISTORY_8_300");
    let (stuck, kept) = (hub.topic::<String>("stuck").history(8), &topics(&hub)[1]);
    // It takes five seconds to find out for each of them.
    (0..10).for_each(|line| stuck.publish(line.to_string()).unwrap());
    kept.publish("1".into()).unwrap();
    let flushed = hub.flush().await;
    assert!(matches!(flushed, Err(BrokerError::TimedOut)), "{flushed:?}");
    kept.publish("2".into()).unwrap();
    let closed = hub.close().await;
    assert!(matches!(closed, Err(BrokerError::TimedOut)), "{closed:?}");
    session.expect_message("1").await;
    session.expect_message("2").await;
    assert_eq!(watcher.next().await, Event::Left("anna".into()));
    // Also a size that nobody has asked for before has ended.
    let late = hub.topic::<String>("late").history(4);
    assert!(matches!(late.publish("1".into()), Err(PublishError::Closed)));
    assert_eq!(late.position().await, None);
}

#[tokio::test]
async fn who_searches_and_reads_ends_with_the_hub() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let hub = Hub::nats(&proxy.url()).await.unwrap();
    let [room, kept] = topics(&hub);
    let mut reader = Session::subscriber(&kept).await;
    kept.publish("1".into()).unwrap();
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
    // New consumers of the history.
    proxy.drop_matching(":\"ws.h.256_300.");
    let mut searches = Vec::new();
    // Also those whose turn has not come.
    for since in [Since::Last(1), Since::Beginning].repeat(20) {
        searches.push(Session::open(&kept, OnOpen::From(since)).await);
    }
    wait_until(async || proxy.dropped() > 0).await;
    hub.close().await.unwrap();
    for search in &mut searches {
        // For themselves they would look for twenty seconds, eight at a time.
        let told = timeout(Duration::from_secs(15), search.next()).await.expect("it has ended");
        assert_eq!(told, Event::Recovered(Recovery::default()));
    }
    // Sooner than the server would see to it.
    for stream in ["WS_HISTORY_256_300", "KV_ws_presence"] {
        let deleted = wait_until(async || consumers(stream).await == 0);
        timeout(Duration::from_secs(20), deleted).await.expect("they are deleted");
    }
}
