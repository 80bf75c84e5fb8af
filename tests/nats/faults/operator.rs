//! Scenario 8, second half: an operator changes a stream.

use ws_core::NatsOptions;
use ws_core::async_nats::{self, jetstream};

use super::cluster::wait_cluster;
use super::concurrent_publish::Publisher;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn election_of_a_leader_loses_nothing() {
    let Some(servers) = NatsServer::cluster().await else { return };
    wait_cluster(&servers).await;
    let hub = async |server: &NatsServer| {
        Hub::nats_with(NatsOptions::new().replicas(3), &server.url()).await.unwrap()
    };
    let rooms = [hub(&servers[0]).await, hub(&servers[1]).await]
        .map(|hub| hub.topic::<String>("room").history(100_000));
    let mut session = Session::subscriber(&rooms[1]).await;
    let publisher = Publisher::start(&rooms[0], "a");
    let client = async_nats::connect(servers[2].url()).await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let request = "$JS.API.STREAM.LEADER.STEPDOWN.WS_HISTORY_100000_300";
        let _ = client.request(request, "".into()).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sent = publisher.stop().await;
    let account = collect(&mut session, &sent, None).await;
    account.check("8, leader stepped down");
    // The server answers within the time that a retry takes.
    assert_eq!((account.received, account.unknown), (sent.len(), 0), "{account:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purged_subject_is_not_recovered() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(256));
    publish_elsewhere(&rooms[0], &hubs[0], 256).await;
    let mut session = Session::subscriber(&rooms[1]).await;
    rooms[0].publish("before".into()).unwrap();
    let since = session.expect_message("before").await;
    drop(session);
    let sent = numbered("a", 0..25);
    publish_all(&rooms[0], &sent[..20]).await;
    hubs[0].flush().await.unwrap();
    let jetstream = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = jetstream.get_stream("WS_HISTORY_256_300").await.unwrap();
    stream.purge().filter("ws.h.256_300.room").await.unwrap();
    for published in [20, 25] {
        publish_all(&rooms[0], &sent[20..published]).await;
        hubs[0].flush().await.unwrap();
        let (mut back, recovered) = resume(&rooms[1], since).await;
        let account = collect(&mut back, &sent[..published], recovered).await;
        account.check(&format!("8, purged, {published} published"));
    }
}
