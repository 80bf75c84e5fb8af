//! Scenario 6: a store that has lost its last messages, for example in a power cut.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_that_lost_its_tail_is_a_reported_loss() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(256));
    let mut stayed = Session::subscriber(&rooms[1]).await;
    let sent = numbered("a", 0..60);
    let mut positions = Vec::new();
    publish_all(&rooms[0], &sent[..20]).await;
    for line in &sent[..20] {
        positions.push(stayed.expect_message(line).await);
    }
    // The publisher knows that the messages are stored.
    hubs[0].flush().await.unwrap();
    nats.stop();
    nats.save_store();
    nats.restart().await;
    publish_all(&rooms[0], &sent[20..40]).await;
    for line in &sent[20..40] {
        positions.push(stayed.expect_message(line).await);
    }
    hubs[0].flush().await.unwrap();

    nats.stop();
    nats.restore_store();
    nats.restart().await;
    publish_all(&rooms[0], &sent[40..]).await;
    wait_until(async || hubs[0].flush().await.is_ok()).await;
    let received_before =
        |lines: usize| sent[..lines].iter().cloned().map(Event::Received).collect::<Vec<_>>();
    let account = collect_after(received_before(40), &mut stayed, &sent, None).await;
    let fresh = Hub::nats(&nats.url()).await.unwrap().topic::<String>("room").history(256);
    for (process, room) in [("same process", &rooms[1]), ("fresh process", &fresh)] {
        // One client received the lost messages, another left before them.
        for received in [40, 20] {
            let (mut back, recovered) = resume(room, positions[received - 1]).await;
            let account = collect_after(received_before(received), &mut back, &sent, recovered).await;
            account.check(&format!("6, back after {received}, {process}"));
        }
    }
    account.check("6, stayed");
}

/// A process that knows only the end of the stream cannot compare messages, but their times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tail_that_was_overwritten_before_a_process_is_back_is_a_reported_loss() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let reader = Hub::nats(&proxy.url()).await.unwrap().topic::<String>("room").history(256);
    let other = Hub::nats(&nats.url()).await.unwrap();
    let publish_elsewhere = async || {
        let room = other.topic::<String>("other").history(256);
        publish_all(&room, &numbered("other", 0..5)).await;
        wait_until(async || other.flush().await.is_ok()).await;
    };
    publish_elsewhere().await;
    nats.stop();
    nats.save_store();
    nats.restart().await;
    publish_elsewhere().await;
    // The subscription begins at the end of the stream, behind the message of another topic.
    let mut stayed = Session::subscriber(&reader).await;
    proxy.set_offline();
    nats.stop();
    nats.restore_store();
    nats.restart().await;
    let sent = numbered("a", 0..8);
    let hub = Hub::nats(&nats.url()).await.unwrap();
    publish_all(&hub.topic::<String>("room").history(256), &sent).await;
    hub.flush().await.unwrap();
    proxy.set_online();
    collect(&mut stayed, &sent, None).await.check("6, overwritten");
}
