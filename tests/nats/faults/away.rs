//! Scenario 1: messages are lost while a client is away.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_accounts_for_messages_lost_while_the_client_was_away() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let open = async |url: String| {
        let hub = Hub::nats(&url).await.unwrap();
        hub.topic::<String>("room").history(256)
    };
    let (publisher, reader, fresh) =
        (open(proxy.url()).await, open(nats.url()).await, open(nats.url()).await);
    let mut stayed = Session::subscriber(&reader).await;
    let mut client = Session::subscriber(&reader).await;
    publisher.publish("before".into()).unwrap();
    stayed.expect_message("before").await;
    let since = client.expect_message("before").await;
    drop(client);

    let sent = numbered("a", 0..15);
    proxy.drop_matching("HPUB ws.h.256_300.room");
    publish_all(&publisher, &sent[..10]).await;
    wait_until(async || proxy.dropped() >= 10).await;
    reconnect(&proxy, &nats).await;
    publish_all(&publisher, &sent[10..]).await;

    let account = collect(&mut stayed, &sent, None).await;
    // A client returns to a process with a subscriber, and to one without.
    for (name, room) in [("reader", &reader), ("fresh process", &fresh)] {
        let (mut back, recovered) = resume(room, since).await;
        collect(&mut back, &sent, recovered).await.check(&format!("1, back at the {name}"));
    }
    account.check("1, stayed");
}
