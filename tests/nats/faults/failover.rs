//! Scenario 5: a cluster whose servers are replaced one after another.

use ws_core::NatsOptions;
use ws_core::async_nats::jetstream;

use super::cluster::wait_cluster;
use super::concurrent_publish::{Publisher, publish_until_received};
use super::*;

const STREAM: &str = "WS_HISTORY_100000_300";

/// Returns the index of the server that leads the stream.
async fn leader(jetstream: &jetstream::Context) -> Option<usize> {
    let stream = timeout(Duration::from_secs(2), jetstream.get_stream(STREAM)).await.ok()?.ok()?;
    stream.cached_info().cluster.as_ref()?.leader.as_ref()?.strip_prefix('n')?.parse().ok()
}

/// Waits until every replica of the stream has all of its messages.
async fn wait_replicated(jetstream: &jetstream::Context) {
    wait_until(async || {
        let stream = timeout(Duration::from_secs(2), jetstream.get_stream(STREAM)).await;
        let Ok(Ok(stream)) = stream else { return false };
        let cluster = stream.cached_info().cluster.clone().unwrap_or_default();
        cluster.leader.is_some() && cluster.replicas.iter().all(|replica| replica.current && !replica.offline)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restart_delivers_nothing_twice() {
    let Some(mut servers) = NatsServer::cluster().await else { return };
    let jetstream = wait_cluster(&servers).await;
    // The clients of each server create the stream at the same time.
    let hubs =
        futures_util::future::join_all(servers.iter().map(async |server| {
            Hub::nats_with(NatsOptions::new().replicas(3), &server.url()).await.unwrap()
        }))
        .await;
    let rooms: Vec<_> = hubs.iter().map(|hub| hub.topic::<String>("room").history(100_000)).collect();
    let mut sessions = futures_util::future::join_all(rooms.iter().map(Session::subscriber)).await;
    let publishers = [Publisher::start(&rooms[0], "a"), Publisher::start(&rooms[1], "b")];
    // The first server is killed while it leads; the others follow.
    let first = loop {
        if let Some(leader) = leader(&jetstream).await {
            break leader;
        }
    };
    for next in 0..3 {
        wait_replicated(&jetstream).await;
        let server = &mut servers[(first + next) % 3];
        server.stop();
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.restart().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    wait_replicated(&jetstream).await;
    let mut sent = Vec::new();
    for publisher in publishers {
        sent.extend(publisher.stop().await);
    }
    for (number, session) in sessions.iter_mut().enumerate() {
        let mut events = Vec::new();
        for (from, room) in rooms.iter().enumerate() {
            let end = format!("end {number} of {from}");
            events.extend(publish_until_received(room, session, &end).await);
        }
        // Messages that end another session's wait are not counted.
        events.retain(|event| !matches!(event, Event::Received(line) if line.starts_with("end")));
        Account::new(&sent, &events, None).check(&format!("5, subscriber {number}"));
    }
}
