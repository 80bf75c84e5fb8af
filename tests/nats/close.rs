//! Flushing and closing a hub.

use futures_util::{FutureExt, StreamExt};
use tokio::net::TcpListener;
use tokio::task::unconstrained;
use tokio_tungstenite::connect_async;
use ws_core::BrokerError;
use ws_core::async_nats::{self, jetstream};

use super::*;

/// An expiry longer than any test, so that members leave only explicitly.
pub(super) const NO_EXPIRY: Duration = Duration::from_hours(1);

/// A handler that publishes when its connection closes.
#[websocket(path = "/")]
struct PublishOnClose {
    topics: [Topic<String>; 2],
}

#[websocket]
impl PublishOnClose {
    #[on_upgrade]
    fn upgrade(State(hub): State<Hub>) -> Self {
        Self { topics: topics(&hub) }
    }

    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) -> Result<&'static str, BrokerError> {
        cx.join(&self.topics[0], "anna").await?;
        Ok("welcome")
    }

    #[on_close]
    async fn closed(&mut self) {
        for topic in &self.topics {
            (0..100).for_each(|number| drop(topic.publish(number.to_string()).unwrap()));
        }
    }
}

/// Returns a topic without a history and one with a history.
pub(super) fn topics(hub: &Hub) -> [Topic<String>; 2] {
    [hub.topic("room"), hub.topic::<String>("stored room").history(256)]
}

/// Acts as a process: serves one client until `stop`, closes its hub and shuts its runtime down.
fn process(url: String, port: std::sync::mpsc::Sender<u16>, stop: tokio::sync::oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let hub = Hub::nats(&url).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        port.send(listener.local_addr().unwrap().port()).unwrap();
        let router = Router::new().mount::<PublishOnClose>().with_state(hub.clone());
        let stop = async {
            let _ = stop.await;
        };
        router.serve_listener(listener, stop).await.unwrap();
        hub.close().await.unwrap();
    });
    // From here on, no task of the process runs.
    runtime.shutdown_background();
}

#[tokio::test]
async fn messages_published_during_shutdown_reach_other_processes() {
    let Some(nats) = NatsServer::start().await else { return };
    presence::store(&nats, NO_EXPIRY).await;
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let topics = topics(&hub);
    let mut watcher = Session::open(&topics[0], OnOpen::Watch).await;
    assert_eq!(watcher.next().await, Event::Open);
    let mut sessions = [Session::subscriber(&topics[0]).await, Session::subscriber(&topics[1]).await];

    let (report_port, port) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let url = nats.url();
    let other = std::thread::spawn(move || process(url, report_port, stopped));
    let port = tokio::task::spawn_blocking(move || port.recv().unwrap()).await.unwrap();
    let (mut client, _) = connect_async(format!("ws://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("welcome"));
    assert_eq!(watcher.next().await, Event::Joined("anna".into()));
    stop.send(()).unwrap();
    // Reading to the end also answers the close frame.
    while client.next().await.is_some() {}
    tokio::task::spawn_blocking(move || other.join().unwrap()).await.unwrap();
    for session in &mut sessions {
        for number in 0..100 {
            session.expect_message(&number.to_string()).await;
        }
    }
    assert_eq!(watcher.next().await, Event::Left("anna".into()));
}

#[tokio::test]
async fn flush_waits_until_the_server_has_all_messages() {
    const MESSAGES: usize = 3000;
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut received = client.subscribe("ws.t.room").await.unwrap();
    // The answer confirms the subscription, because the server processes commands in order.
    client.request("ws.nobody", "".into()).await.unwrap_err();
    let [room, stored] = topics(&hub);
    // Histories with different limits have separate queues.
    let other = hub.topic::<String>("other room").history(16);
    for number in 0..MESSAGES {
        stored.publish(number.to_string()).unwrap();
        other.publish(number.to_string()).unwrap();
    }
    hub.flush().await.unwrap();
    for stream in ["WS_HISTORY_256_300", "WS_HISTORY_16_300"] {
        let stream = jetstream::new(client.clone()).get_stream(stream).await.unwrap();
        assert_eq!(stream.get_info().await.unwrap().state.last_sequence, MESSAGES as u64);
    }
    // A topic without a history has no stream to inspect. The messages exceed one write.
    (0..MESSAGES).for_each(|_| drop(room.publish("x".repeat(5_000)).unwrap()));
    hub.flush().await.unwrap();
    client.request("ws.nobody", "".into()).await.unwrap_err();
    let mut count = 0;
    while unconstrained(received.next()).now_or_never().is_some() {
        count += 1;
    }
    assert_eq!(count, MESSAGES);
    // Another process, which has no subscriber, reads the same position.
    let elsewhere = topics(&Hub::nats(&nats.url()).await.unwrap());
    assert_eq!(stored.position().await.map(|position| position.offset), Some(MESSAGES as u64));
    assert_eq!(elsewhere[1].position().await, stored.position().await);
    assert_eq!(elsewhere[0].position().await, None);
}

#[tokio::test]
async fn close_takes_effect_for_all_clones_and_topics() {
    let Some(nats) = NatsServer::start().await else { return };
    presence::store(&nats, NO_EXPIRY).await;
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    let stored = hubs[0].topic::<String>("stored room").history(4);
    let mut sessions = [Session::subscriber(&rooms[0]).await, Session::subscriber(&stored).await];
    let mut member = Session::open(&rooms[0], OnOpen::Join("anna")).await;
    assert_eq!(member.next().await, Event::Open);
    let mut watcher = Session::open(&rooms[1], OnOpen::Watch).await;
    let events = [watcher.next().await, watcher.next().await];
    assert!(events.contains(&Event::Open) && events.contains(&Event::Joined("anna".into())), "{events:?}");
    assert_eq!(rooms[0].members().await.len(), 1);

    // Two concurrent calls, of which one is not awaited.
    let clone = hubs[0].clone();
    assert!(hubs[0].close().now_or_never().is_none());
    clone.close().await.unwrap();
    clone.close().await.unwrap();
    assert_eq!(watcher.next().await, Event::Left("anna".into()));
    // The connection of the other process remains.
    wait_until(async || nats.connections().await == 1).await;
    assert_eq!(nats.subscriptions("ws.t.room").await, 0);
    for room in [&rooms[0], &stored] {
        assert!(matches!(room.publish("after".into()), Err(PublishError::Closed)));
        assert!(room.members().await.is_empty());
        assert_eq!(room.position().await, None);
    }
    rooms[1].publish("from elsewhere".into()).unwrap();
    hubs[1].flush().await.unwrap();
    for session in &mut sessions {
        // The report comes once, although the hub was closed three times.
        assert_eq!(session.next().await, Event::Lagged(0));
        assert!(session.events.try_recv().is_err());
    }
    let mut late = Session::open(&rooms[0], OnOpen::Subscribe).await;
    let events = [late.next().await, late.next().await];
    assert!(events.contains(&Event::Failed("the hub is closed".into())), "{events:?}");
}

#[tokio::test]
async fn unreachable_server_makes_flush_and_close_fail_early() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let [room, stored] = topics(&hubs[0]);
    room.publish("before".into()).unwrap();
    hubs[0].flush().await.unwrap();
    nats.stop();
    let mut member = Session::open(&room, OnOpen::Join("anna")).await;
    wait_until(async || matches!(room.publish("x".into()), Err(PublishError::Disconnected))).await;
    let (flushed, closed) = tokio::join!(hubs[0].flush(), hubs[1].close());
    assert!(matches!(flushed, Err(BrokerError::Disconnected)), "{flushed:?}");
    assert!(matches!(closed, Err(BrokerError::Disconnected)), "{closed:?}");
    assert!(matches!(member.next().await, Event::Failed(_)));
    // The open hub reconnects. The closed one ends its connection once it has reconnected.
    nats.restart().await;
    wait_until(async || nats.connections_so_far().await >= 2).await;
    wait_until(async || nats.connections().await == 1).await;
    wait_until(async || room.publish("x".into()).is_ok() && stored.publish("x".into()).is_ok()).await;
    wait_until(async || hubs[0].flush().await.is_ok()).await;
    let elsewhere = Hub::nats(&nats.url()).await.unwrap().topic::<String>("room");
    wait_until(async || elsewhere.members().await.len() == 1).await;
}

#[tokio::test]
async fn join_resolves_once_the_store_has_answered() {
    let Some(nats) = NatsServer::start().await else { return };
    let mut store = presence::store(&nats, NO_EXPIRY).await;
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("room");
    let mut anna = Session::open(&room, OnOpen::Join("anna")).await;
    assert_eq!(anna.next().await, Event::Open);
    assert_eq!(store.info().await.unwrap().state.messages, 1);

    // From here on, the store rejects longer names.
    let mut config = store.cached_info().config.clone();
    config.max_message_size = 200;
    let jetstream = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    jetstream.update_stream(config).await.unwrap();
    let long: &str = Box::leak("x".repeat(300).into_boxed_str());
    let mut ben = Session::open(&room, OnOpen::Join(long)).await;
    let Event::Failed(error) = ben.next().await else { panic!("the store accepted the name") };
    assert!(error.starts_with("the broker rejected the request: "), "{error}");
    assert!(matches!(hub.flush().await, Err(BrokerError::Refused(_))));
    // A flush reports an error once.
    let mut carl = Session::open(&room, OnOpen::Join("carl")).await;
    assert_eq!(carl.next().await, Event::Open);
}

#[tokio::test]
async fn flush_reports_messages_that_were_not_stored() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let rooms = [256, 16].map(|len: usize| hub.topic::<String>(format!("room {len}")).history(len));
    rooms.iter().for_each(|room| drop(room.publish("1".into()).unwrap()));
    hub.flush().await.unwrap();
    let client = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    for stream in ["WS_HISTORY_256_300", "WS_HISTORY_16_300"] {
        let mut config = client.get_stream(stream).await.unwrap().cached_info().config.clone();
        config.max_message_size = 200;
        client.update_stream(config).await.unwrap();
    }
    for room in &rooms {
        room.publish("x".repeat(300)).unwrap();
        room.publish("2".into()).unwrap();
    }
    let flushed = hub.flush().await;
    assert!(matches!(flushed, Err(BrokerError::Unconfirmed { messages: 2 })), "{flushed:?}");
    hub.flush().await.unwrap();
}
