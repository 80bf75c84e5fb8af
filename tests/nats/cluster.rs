//! A cluster of servers, of which one is killed.

use ws_core::NatsOptions;
use ws_core::async_nats::{self, jetstream};

use super::concurrent_publish::{Publisher, check, lines, publish_until_received};
use super::*;

/// When they have found each other, and can keep something.
async fn is_up(servers: &[NatsServer; 3]) -> jetstream::Context {
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
async fn server_that_is_killed_is_replaced_by_another() {
    let Some(mut servers) = NatsServer::cluster().await else { return };
    let jetstream = is_up(&servers).await;
    // Each names one, and learns of the others there.
    let hub = async |server: &NatsServer| {
        Hub::nats_with(NatsOptions::new().replicas(3), &server.url()).await.unwrap()
    };
    let hubs = [hub(&servers[0]).await, hub(&servers[1]).await];
    let plain = hubs.each_ref().map(|hub| hub.topic::<String>("plain"));
    let kept = hubs.each_ref().map(|hub| hub.topic::<String>("kept").history(100_000));
    let mut watcher = Session::open(&plain[1], OnOpen::Watch).await;
    assert_eq!(watcher.next().await, Event::Open);
    let _anna = Session::open(&plain[0], OnOpen::Join("anna")).await;
    assert_eq!(watcher.next().await, Event::Joined("anna".into()));

    let mut sessions = Vec::new();
    for room in [&plain[0], &plain[1], &kept[0], &kept[1]] {
        sessions.push((Session::subscriber(room).await, Vec::new()));
    }
    for stream in ["WS_HISTORY_100000_300", "KV_ws_presence"] {
        assert_eq!(replicas(&jetstream, stream).await, 3, "{stream}");
    }
    for (session, told) in &mut sessions[2..] {
        told.extend(publish_until_received(&kept[0], session, "first").await);
    }
    let since = kept[0].position().await;
    let of_plain = [Publisher::start(&plain[0], "a"), Publisher::start(&plain[1], "b")];
    let of_kept = [Publisher::start(&kept[0], "a"), Publisher::start(&kept[1], "b")];
    for (session, told) in &mut sessions {
        told.clear();
        while !["a:9", "b:9"].iter().all(|line| told.contains(&Event::Received((*line).into()))) {
            told.push(session.next().await);
        }
    }
    servers[0].stop();
    // Those whose connection it was are told, and hear the others again.
    let (session, told) = &mut sessions[0];
    // That nobody knows how many are lost may be told with a number of others that are.
    while !told.iter().any(|told| matches!(told, Event::Lagged(_))) {
        told.push(session.next().await);
    }
    for room in [&plain, &kept] {
        wait_until(async || room[0].publish("x".into()).is_ok()).await;
    }
    let (mut taken_plain, mut taken_kept) = (Vec::new(), Vec::new());
    for (plain, kept) in of_plain.into_iter().zip(of_kept) {
        taken_plain.push(plain.stop().await);
        taken_kept.push(kept.stop().await);
    }
    for (at, (session, told)) in sessions.iter_mut().enumerate() {
        let (rooms, taken) = if at < 2 { (&plain, &taken_plain) } else { (&kept, &taken_kept) };
        // Then it has heard all of both.
        for (from, room) in rooms.iter().enumerate() {
            told.extend(publish_until_received(room, session, &format!("end {at} of {from}")).await);
        }
        check(told, taken);
    }
    assert_eq!(lines(&sessions[2].1), lines(&sessions[3].1));

    // What was kept before is there, and what has come since.
    let (mut back, recovery) = Session::from(&kept[0], since).await;
    assert!(recovery.recovered);
    for line in lines(&sessions[2].1) {
        while back.next().await != Event::Received(line.to_owned()) {}
    }
    wait_until(async || plain[1].members().await.iter().any(|member| &*member.name == "anna")).await;
}
