//! Scenario 2: the first messages of a publisher that a subscriber has not received from before.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_messages_that_expired_during_an_outage_are_reported() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let (away, near) = (Hub::nats(&proxy.url()).await.unwrap(), Hub::nats(&nats.url()).await.unwrap());
    let room = |hub: &Hub| hub.topic::<String>("room").history(5);
    publish_elsewhere(&room(&near), &near, 5).await;
    let mut session = Session::subscriber(&room(&away)).await;
    proxy.set_offline();
    wait_disconnected(&away).await;
    let sent = numbered("a", 0..50);
    publish_all(&room(&near), &sent).await;
    near.flush().await.unwrap();
    proxy.set_online();
    collect(&mut session, &sent, None).await.check("2, outage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_larger_than_the_history_is_counted() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(5));
    let mut session = Session::subscriber(&rooms[1]).await;
    let sent = numbered("a", 0..5000);
    publish_all(&rooms[0], &sent).await;
    collect(&mut session, &sent, None).await.check("2, burst");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_message_lost_while_its_stream_is_created_is_reported() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let (lossy, near) = (Hub::nats(&proxy.url()).await.unwrap(), Hub::nats(&nats.url()).await.unwrap());
    let room = |hub: &Hub| hub.topic::<String>("room").history(7);
    let mut session = Session::subscriber(&room(&near)).await;
    let publisher = room(&lossy);
    proxy.drop_matching("WS_HISTORY_7_300");
    let sent = numbered("a", 0..2);
    publish_all(&publisher, &sent[..1]).await;
    let flushed = lossy.flush().await;
    assert!(flushed.is_err(), "the message cannot be stored");
    proxy.disconnect();
    wait_until(async || lossy.flush().await.is_ok()).await;
    publish_all(&publisher, &sent[1..]).await;
    collect(&mut session, &sent, None).await.check("2, new stream");
}
