//! Sessions of clients with the server of this crate, over connections that are lost anywhere.

use std::convert::Infallible;

use axum_core::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::Notify;
use tower_service::Service;

use super::*;
use crate::{ClientCallError, Deferred, JsonRpc, Messages};

/// A server in memory, and the network before it.
#[derive(Clone)]
struct Network {
    router: Arc<Mutex<Router>>,
    connections: Arc<AtomicUsize>,
    /// The bytes in both directions after which each of the first connections is lost.
    limits: Arc<[usize]>,
    cut: Arc<Notify>,
}

impl Network {
    fn new(router: Router, limits: &[usize]) -> Self {
        let router = Arc::new(Mutex::new(router));
        Self { router, connections: Arc::default(), limits: limits.into(), cut: Arc::default() }
    }

    fn client(&self, path: &str) -> Client {
        let network = self.clone();
        Client::new(&format!("ws://server.test{path}")).connector(move || {
            let (client, near) = duplex(1 << 10);
            let (far, server) = duplex(1 << 10);
            let number = network.connections.fetch_add(1, Ordering::Relaxed);
            let limit = network.limits.get(number).copied().unwrap_or(usize::MAX);
            tokio::spawn(carry(near, far, limit, Arc::clone(&network.cut)));
            tokio::spawn(serve_http(lock(&network.router).clone(), server));
            async { Ok(client) }
        })
    }
}

async fn serve_http(router: Router, io: DuplexStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = router.clone().call(request.map(Body::new));
        async move { Ok::<_, Infallible>(response.await.unwrap()) }
    });
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http.serve_connection(TokioIo::new(io), service).with_upgrades().await;
}

/// Passes bytes on, up to a limit or until the network is cut.
async fn carry(near: DuplexStream, far: DuplexStream, limit: usize, cut: Arc<Notify>) {
    let left = AtomicUsize::new(limit);
    let ((near_read, near_write), (far_read, far_write)) = (split(near), split(far));
    tokio::select! {
        () = copy(near_read, far_write, &left) => {}
        () = copy(far_read, near_write, &left) => {}
        () = cut.notified() => {}
    }
}

async fn copy(mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>, left: &AtomicUsize) {
    let mut piece = [0; 256];
    while let Ok(len @ 1..) = from.read(&mut piece).await {
        let arrives = len.min(left.load(Ordering::Relaxed));
        left.fetch_sub(arrives, Ordering::Relaxed);
        if to.write_all(&piece[..arrives]).await.is_err() || arrives < len {
            return;
        }
    }
}

const COUNT: usize = 30;

/// Returns the text of a number. Some begin like a control object, and some are long.
fn payload(number: usize) -> String {
    match number % 5 {
        0 => format!("\0{number}"),
        1 => format!("{number} {}", "x".repeat(700)),
        _ => number.to_string(),
    }
}

fn payloads() -> Vec<String> {
    (0..COUNT).map(payload).collect()
}

/// What each handler of the server has received.
type Received = Arc<Mutex<Vec<Vec<String>>>>;

/// A handler that sends a text every 10 ms, and keeps what it receives.
#[websocket(path = "/numbers", session)]
struct Numbers {
    sent: usize,
    index: usize,
    received: Received,
}

#[websocket]
impl Numbers {
    #[on_upgrade]
    fn make(State(received): State<Received>) -> Self {
        let mut handlers = lock(&received);
        handlers.push(Vec::new());
        let index = handlers.len() - 1;
        drop(handlers);
        Self { sent: 0, index, received }
    }
    #[on_text]
    fn text(&mut self, text: String) {
        lock(&self.received)[self.index].push(text);
    }
    #[every(10ms)]
    fn tick(&mut self) -> Option<String> {
        self.sent += 1;
        (self.sent <= COUNT).then(|| payload(self.sent - 1))
    }
}

/// The same in the client's role. The handler closes when all has arrived, a second later.
#[websocket(session)]
struct Mirror {
    sent: usize,
    log: Log,
    silence: u32,
}

#[websocket]
impl Mirror {
    #[on_text]
    fn text(&mut self, text: &str) {
        self.silence = 0;
        self.log.add(text);
    }
    #[every(10ms)]
    fn tick(&mut self) -> Option<String> {
        self.sent += 1;
        (self.sent <= COUNT).then(|| payload(self.sent - 1))
    }
    #[every(100ms)]
    fn check(&mut self) -> Option<Close> {
        self.silence += 1;
        (self.silence > 20).then(Close::default)
    }
}

/// The connections are cut at each byte of the greeting and of several messages, in both directions.
#[tokio::test(start_paused = true)]
async fn every_message_arrives_once_and_in_order() {
    let mut resumed = 0;
    for limit in (0..3000).step_by(13) {
        let received = Received::default();
        let router = Router::new().mount::<Numbers>().with_state(Arc::clone(&received));
        // The second connection is cut elsewhere.
        let network = Network::new(router, &[limit, 3000 - limit, 600]);
        let log = Log::default();
        let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(20));
        let client = network.client("/numbers").reconnect(backoff);
        let mirror = || Mirror { sent: 0, log: log.clone(), silence: 0 };
        let ended = client.run(mirror).await.unwrap();
        assert_eq!(ended.reason, CloseReason::Stop(Close::default()), "{limit}");
        assert_eq!(log.entries(), payloads(), "{limit}");
        // A connection may be lost after the server has begun a session, and before the client has its token.
        let handlers: Vec<_> = lock(&received).iter().filter(|texts| !texts.is_empty()).cloned().collect();
        assert_eq!(handlers, [payloads()], "{limit}");
        resumed += usize::from(ended.connections > 2);
    }
    assert!(resumed > 100, "{resumed}");
}

#[derive(Debug, PartialEq, Messages, Serialize, Deserialize)]
enum Event {
    Count(u32),
}

#[websocket(path = "/board", envelope = JsonRpc, sends = Event, session(resume = 1m))]
#[derive(Default)]
struct Board {
    count: u32,
}

#[websocket(client = BoardClient)]
impl Board {
    #[on_call]
    fn count(&mut self, cx: &mut Context<Self>) -> u32 {
        self.count += 1;
        cx.send(Event::Count(self.count));
        self.count
    }
    #[on_call]
    fn later(&mut self, millis: u64) -> Deferred<u64> {
        Deferred::new(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            millis
        })
    }
}

#[tokio::test(start_paused = true)]
async fn typed_client_outlives_its_connections() {
    let network = Network::new(Router::new().mount::<Board>(), &[]);
    let board = BoardClient::connect_with(network.client("/board"), RemoteAnswers::new()).await.unwrap();
    let mut events = board.messages();
    assert_eq!(board.count().await.unwrap(), 1);
    // The calls during a loss are answered by the same handler.
    let cut = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        network.cut.notify_waiters();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(board.is_connected());
        board.count().await.unwrap()
    };
    let (later, count) = tokio::join!(board.later(5000), cut);
    assert_eq!((later.unwrap(), count), (5000, 2));
    assert_eq!(network.connections.load(Ordering::Relaxed), 2);
    for number in 1..=2 {
        assert_eq!(events.next().await.unwrap().unwrap(), Event::Count(number));
    }

    // Another process, which does not know the session.
    *lock(&network.router) = Router::new().mount::<Board>();
    let lose = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        network.cut.notify_waiters();
    };
    let (lost, ()) = tokio::join!(board.later(5000), lose);
    assert!(matches!(lost, Err(RemoteCallError::Failed(ClientCallError::ConnectionEnded))), "{lost:?}");
    assert_eq!(board.connected(1).await, Some(2));
    assert_eq!(board.count().await.unwrap(), 1);
    assert!(matches!(events.next().await.unwrap(), Err(RemoteMessageError::Reset)));
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Count(1));
}
