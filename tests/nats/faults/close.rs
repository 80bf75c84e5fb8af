//! Scenario 8, first half: a hub that closes while connections are subscribed, and a new cluster.

use super::*;

#[tokio::test]
async fn subscribers_of_a_closed_hub_are_notified() {
    let Some(nats) = NatsServer::start().await else { return };
    for history in [None, Some(16)] {
        let [hub, other] = hubs(&nats).await;
        let room = |hub: &Hub| {
            let room = hub.topic::<String>(&format!("room {history:?}"));
            history.map_or(room.clone(), |len: usize| room.history(len))
        };
        let mut session = Session::subscriber(&room(&hub)).await;
        let mut watcher = Session::open(&room(&hub), OnOpen::Watch).await;
        assert_eq!(watcher.next().await, Event::Open);
        hub.close().await.unwrap();
        assert_eq!(watcher.next().await, Event::Lagged(0));
        let sent = numbered("a", 0..3);
        publish_all(&room(&other), &sent).await;
        other.flush().await.unwrap();
        collect(&mut session, &sent, None).await.check(&format!("8, closed hub, history {history:?}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_joins_of_a_new_cluster_wait_for_the_store() {
    let Some(servers) = NatsServer::cluster().await else { return };
    // The clients of all servers join at once, until the cluster is ready.
    let join = async |server: &NatsServer| {
        let mut tries = 0;
        loop {
            tries += 1;
            let hub = Hub::nats_with(ws_core::NatsOptions::new().replicas(3), &server.url()).await.unwrap();
            let mut session = Session::open(&hub.topic("room"), OnOpen::Join("anna")).await;
            match session.next().await {
                Event::Open => return tries,
                // A cluster may need longer than the call to elect its leader.
                Event::Failed(error) => assert!(error.contains("did not answer in time"), "{error}"),
                other => panic!("{other:?}"),
            }
        }
    };
    let tries = futures_util::future::join_all(servers.iter().map(join)).await;
    println!("8, new cluster: {tries:?} tries");
}
