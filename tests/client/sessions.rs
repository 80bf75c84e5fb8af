//! A typed client with a session, over TCP and a proxy that cuts its connections.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};
use ws_core::client::{Backoff, RemoteAnswers, RemoteCallError};

use super::*;

/// What the server sends by itself.
#[derive(Debug, PartialEq, Messages, Serialize, Deserialize)]
enum Event {
    Tick(u64),
}

/// A handler that counts.
#[websocket(path = "/counter", envelope = JsonRpc, sends = Event, session)]
struct Counter {
    ticks: u64,
    notes: Notes,
}

/// The notes of all handlers.
type Notes = Arc<Mutex<Vec<u64>>>;

#[websocket(client = CounterClient)]
impl Counter {
    #[on_upgrade]
    fn make(State(notes): State<Notes>) -> Self {
        Self { ticks: 0, notes }
    }
    #[on_call]
    fn double(&mut self, number: u64) -> u64 {
        2 * number
    }
    #[on_message]
    fn note(&mut self, number: u64) {
        self.notes.lock().unwrap().push(number);
    }
    #[every(5ms)]
    fn tick(&mut self) -> Event {
        self.ticks += 1;
        Event::Tick(self.ticks)
    }
}

/// Passes connections on, each for 20 to 80 ms, until `cuts` are made.
async fn cutting_proxy(server: SocketAddr, cuts: Arc<AtomicU64>, enough: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let cuts = Arc::clone(&cuts);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                let number = cuts.load(Ordering::Relaxed);
                let copy = copy_bidirectional(&mut client, &mut server);
                if number >= enough {
                    let _ = copy.await;
                } else if timeout(Duration::from_millis(20 + number * 17 % 60), copy).await.is_err() {
                    cuts.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_client_loses_nothing_over_a_network_that_cuts() {
    let notes = Notes::default();
    let server = tests::serve(Router::new().mount::<Counter>().with_state(Arc::clone(&notes))).await;
    let cuts = Arc::new(AtomicU64::new(0));
    let enough = 20;
    let proxy = cutting_proxy(server.addr, Arc::clone(&cuts), enough).await;
    let backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(5));
    let client = Client::new(&format!("ws://{proxy}/counter")).no_proxy().reconnect(backoff);
    let counter = CounterClient::connect_with(client, RemoteAnswers::new()).await.unwrap();
    let mut events = counter.messages();

    let began = Instant::now();
    let mut sent = 0;
    // The calls and messages go on without regard to the connection.
    while cuts.load(Ordering::Relaxed) < enough {
        assert!(began.elapsed() < TIMEOUT, "{cuts:?}");
        counter.note(sent).unwrap();
        let doubled: Result<u64, RemoteCallError<_>> = counter.double(sent).await;
        assert_eq!(doubled.unwrap(), 2 * sent);
        sent += 1;
        sleep(Duration::from_millis(1)).await;
    }
    // A call follows the messages that precede it.
    assert_eq!(counter.double(1).await.unwrap(), 2);
    assert_eq!(*notes.lock().unwrap(), (0..sent).collect::<Vec<_>>());
    assert_eq!(counter.connected(0).await, Some(1), "the session was reset");
    for expect in 1..=100 {
        let event = timeout(TIMEOUT, events.next()).await.expect("a tick").unwrap().unwrap();
        assert_eq!(event, Event::Tick(expect));
    }
    counter.close().await;
    let ended = counter.ended().await.unwrap();
    assert!(ended.connections > enough, "{ended:?}");
}
