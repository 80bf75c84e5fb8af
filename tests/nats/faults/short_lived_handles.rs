//! Scenario 3: publishers that hold their topic for one message.

use super::*;

/// Opens a topic for each message, as an HTTP handler does.
async fn publish_each(hub: &Hub, history: Option<usize>, lines: &[String]) {
    for line in lines {
        let room = hub.topic::<String>("room");
        let room = history.map_or(room.clone(), |len| room.history(len));
        publish_all(&room, std::slice::from_ref(line)).await;
    }
}

async fn check(history: Option<usize>) {
    let Some(nats) = NatsServer::start().await else { return };
    // After a loss, the same handles publish again, or they never do.
    for (name, after) in [("publishes again", 10), ("silent", 0)] {
        let proxy = LossyProxy::start(&nats).await;
        let (lossy, near) = (Hub::nats(&proxy.url()).await.unwrap(), Hub::nats(&nats.url()).await.unwrap());
        let room = near.topic::<String>("room");
        let room = history.map_or(room.clone(), |len| room.history(len));
        let mut session = Session::subscriber(&room).await;
        let sent = numbered("a", 0..after + 10 + after);
        publish_each(&lossy, history, &sent[..after]).await;
        // Fails if nothing was published before. The result of the lost messages is checked below.
        lossy.flush().await.unwrap();
        proxy.drop_matching(".room");
        publish_each(&lossy, history, &sent[after..after + 10]).await;
        wait_until(async || proxy.dropped() >= 10).await;
        reconnect(&proxy, &nats).await;
        publish_each(&lossy, history, &sent[after + 10..]).await;
        collect(&mut session, &sent, None).await.check(&format!("3, history {history:?}, {name}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_short_lived_handles_are_accounted_for() {
    check(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_short_lived_handles_with_a_history_are_accounted_for() {
    check(Some(64)).await;
}
