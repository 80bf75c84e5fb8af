//! Scenario 4: losses that only the publisher's process notices at first.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_store_is_reported_in_other_processes() {
    let Some(nats) = NatsServer::start_with("jetstream { max_file_store: 300000 }").await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(1000));
    let mut session = Session::subscriber(&rooms[1]).await;
    let mut own = Session::subscriber(&rooms[0]).await;
    let sent: Vec<_> =
        numbered("a", 0..60).into_iter().map(|line| format!("{line} {}", "x".repeat(10_000))).collect();
    publish_all(&rooms[0], &sent).await;
    let flushed = hubs[0].flush().await;
    assert!(matches!(flushed, Err(ws_core::BrokerError::Unconfirmed { .. })), "{flushed:?}");
    let account = collect(&mut session, &sent, None).await;
    account.check("4, full store");
    collect(&mut own, &sent, None).await.check("4, full store, own process");
    assert!(account.received < sent.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loss_of_a_publisher_that_falls_silent_is_reported() {
    let Some(nats) = NatsServer::start().await else { return };
    for received_before in [false, true] {
        let proxy = LossyProxy::start(&nats).await;
        let (lossy, near) = (Hub::nats(&proxy.url()).await.unwrap(), Hub::nats(&nats.url()).await.unwrap());
        let publisher = lossy.topic::<String>("room");
        let mut session = Session::subscriber(&near.topic("room")).await;
        if received_before {
            publish_all(&publisher, &["before".into()]).await;
            session.expect_message("before").await;
        }
        let sent = numbered("a", 0..10);
        proxy.drop_matching("HPUB ws.t.room");
        publish_all(&publisher, &sent).await;
        wait_until(async || proxy.dropped() >= 10).await;
        reconnect(&proxy, &nats).await;
        let account = collect(&mut session, &sent, None).await;
        account.check(&format!("4, silent, received before: {received_before}"));
    }
}

/// Starts two servers whose only route leads through a proxy.
async fn routed() -> Option<([NatsServer; 2], LossyProxy)> {
    let ports = [(); 2].map(|()| tests::free_port());
    let config = |number: usize, port: u16| {
        format!(
            "server_name: n{number}, cluster {{ name: ws, listen: \"127.0.0.1:{}\", no_advertise: true, \
             routes: [nats://127.0.0.1:{port}] }}",
            ports[number]
        )
    };
    // With JetStream, a server of a cluster needs a route. The one to itself has no effect.
    let far = NatsServer::start_with(&config(1, ports[1])).await?;
    let route = LossyProxy::start_for(ports[1]).await;
    let near = NatsServer::start_with(&config(0, route.port())).await?;
    Some(([near, far], route))
}

/// A client notices the end of its own connection, but not that of a route behind its server. So nothing is
/// known of the loss as long as the publisher is silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loss_on_a_broken_route_is_counted_with_the_next_message() {
    let Some((servers, route)) = routed().await else { return };
    let hubs = [Hub::nats(&servers[0].url()).await.unwrap(), Hub::nats(&servers[1].url()).await.unwrap()];
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    let mut session = Session::subscriber(&rooms[1]).await;
    let _ = concurrent_publish::publish_until_received(&rooms[0], &mut session, "first").await;
    // Repetitions of the first message may follow.
    while timeout(AFTERMATH, session.events.recv()).await.is_ok() {}
    route.set_offline();
    let mut sent = numbered("a", 0..10);
    publish_all(&rooms[0], &sent).await;
    // The publisher's own server has the messages.
    hubs[0].flush().await.unwrap();
    route.set_online();
    // The route is restored after a while, so the next message may be lost as well.
    for number in 10.. {
        let next = format!("a:{number}");
        publish_all(&rooms[0], std::slice::from_ref(&next)).await;
        sent.push(next);
        if let Ok(Some((event, _))) = timeout(AFTERMATH, session.events.recv()).await {
            let account = collect_after(vec![event], &mut session, &sent, None).await;
            account.check("4, route");
            assert_eq!((account.reported, account.unknown), (account.lost(), 0), "{account:?}");
            break;
        }
    }
}
