//! A cluster in which one server is killed.

use ws_core::NatsOptions;
use ws_core::async_nats::{self, jetstream};

use super::concurrent_publish::{Publisher, check, lines, publish_until_received};
use super::*;

/// Waits until the servers have formed a cluster that can create a replicated stream.
pub(super) async fn wait_cluster(servers: &[NatsServer; 3]) -> jetstream::Context {
    let client = async_nats::connect(servers[2].url()).await.unwrap();
    let jetstream = jetstream::new(client);
    wait_until(async || {
        let config = jetstream::stream::Config {
            name: "probe".into(),
            subjects: vec!["probe".into()],
            num_replicas: 3,
            ..Default::default()
        };
        let made = timeout(Duration::from_secs(2), jetstream.get_or_create_stream(config)).await;
        made.is_ok_and(|made| made.is_ok())
    })
    .await;
    jetstream
}

async fn replicas(jetstream: &jetstream::Context, stream: &str) -> usize {
    let stream = jetstream.get_stream(stream).await.unwrap();
    stream.cached_info().config.num_replicas
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_server_is_replaced_by_another() {
    let Some(mut servers) = NatsServer::cluster().await else { return };
    let jetstream = wait_cluster(&servers).await;
    // Each hub is given one server and discovers the others.
    let hub = async |server: &NatsServer| {
        Hub::nats_with(NatsOptions::new().replicas(3), &server.url()).await.unwrap()
    };
    let hubs = [hub(&servers[0]).await, hub(&servers[1]).await];
    let plain = hubs.each_ref().map(|hub| hub.topic::<String>("plain"));
    let stored = hubs.each_ref().map(|hub| hub.topic::<String>("stored").history(100_000));
    let mut watcher = Session::open(&plain[1], OnOpen::Watch).await;
    assert_eq!(watcher.next().await, Event::Open);
    let _anna = Session::open(&plain[0], OnOpen::Join("anna")).await;
    assert_eq!(watcher.next().await, Event::Joined("anna".into()));

    let mut sessions = Vec::new();
    for room in [&plain[0], &plain[1], &stored[0], &stored[1]] {
        sessions.push((Session::subscriber(room).await, Vec::new()));
    }
    for stream in ["WS_HISTORY_100000_300", "KV_ws_presence"] {
        assert_eq!(replicas(&jetstream, stream).await, 3, "{stream}");
    }
    for (session, events) in &mut sessions[2..] {
        events.extend(publish_until_received(&stored[0], session, "first").await);
    }
    let since = stored[0].position().await;
    let of_plain = [Publisher::start(&plain[0], "a"), Publisher::start(&plain[1], "b")];
    let of_stored = [Publisher::start(&stored[0], "a"), Publisher::start(&stored[1], "b")];
    for (session, events) in &mut sessions {
        events.clear();
        while !["a:9", "b:9"].iter().all(|line| events.contains(&Event::Received((*line).into()))) {
            events.push(session.next().await);
        }
    }
    servers[0].stop();
    // The subscriber on the killed server is notified of a gap and receives messages again.
    let (session, events) = &mut sessions[0];
    // The gap of unknown size may be merged with one of known size, so the number can be any.
    while !events.iter().any(|events| matches!(events, Event::Lagged(_))) {
        events.push(session.next().await);
    }
    for room in [&plain, &stored] {
        wait_until(async || room[0].publish("x".into()).is_ok()).await;
    }
    let (mut accepted_plain, mut accepted_stored) = (Vec::new(), Vec::new());
    for (plain, stored) in of_plain.into_iter().zip(of_stored) {
        accepted_plain.push(plain.stop().await);
        accepted_stored.push(stored.stop().await);
    }
    for (at, (session, events)) in sessions.iter_mut().enumerate() {
        let (rooms, accepted) = if at < 2 { (&plain, &accepted_plain) } else { (&stored, &accepted_stored) };
        // After both final messages the subscriber has received everything from both processes.
        for (from, room) in rooms.iter().enumerate() {
            events.extend(publish_until_received(room, session, &format!("end {at} of {from}")).await);
        }
        check(events, accepted);
    }
    assert_eq!(lines(&sessions[2].1), lines(&sessions[3].1));

    // The history contains the messages from before and after the failure.
    let (mut back, recovery) = Session::from(&stored[0], since).await;
    assert!(recovery.recovered);
    for line in lines(&sessions[2].1) {
        while back.next().await != Event::Received(line.to_owned()) {}
    }
    wait_until(async || plain[1].members().await.iter().any(|member| &*member.name == "anna")).await;
}
