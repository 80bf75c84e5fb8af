//! Topics of many processes (`Hub::nats`), over a server that runs for the test. Two hubs with a
//! connection each are two processes to the server, and to each other.

use std::time::Duration;

use futures_util::SinkExt;
use tests::nats::Nats;
use tests::tungstenite::Message;
use tests::tungstenite::protocol::Role;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use ws_core::prelude::*;
use ws_core::{HubError, Recovery};

#[path = "nats/close.rs"]
mod close;
#[path = "nats/cluster.rs"]
mod cluster;
#[path = "nats/history.rs"]
mod history;
#[path = "nats/last.rs"]
mod last;
#[path = "nats/load.rs"]
mod load;
#[path = "nats/many.rs"]
mod many;
#[path = "nats/names.rs"]
mod names;
#[path = "nats/panics.rs"]
mod panics;
#[path = "nats/presence.rs"]
mod presence;
#[path = "nats/publish.rs"]
mod publish;
#[path = "nats/restart.rs"]
mod restart;
#[path = "nats/secure.rs"]
mod secure;
#[path = "nats/slow.rs"]
mod slow;

/// Long enough for anything here, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a connection does first.
#[derive(Clone)]
enum Begin {
    Subscribe,
    From(Since),
    Watch,
    Join(&'static str),
}

/// What a handler tells the test.
#[derive(Debug, PartialEq)]
enum Told {
    Open,
    Recovered(Recovery),
    Heard(String),
    Lagged(u64),
    Joined(String),
    Left(String),
    Failed(String),
}

#[websocket(mailbox = 100_000)]
struct Guest {
    room: Topic<String>,
    begin: Begin,
    tell: mpsc::UnboundedSender<(Told, Option<Position>)>,
}

impl Guest {
    fn tell(&self, told: Told) {
        // The test may have ended.
        let _ = self.tell.send((told, None));
    }
}

#[websocket]
impl Guest {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let told = match self.begin {
            Begin::Subscribe => {
                cx.subscribe(&self.room).await;
                Told::Open
            }
            Begin::From(since) => Told::Recovered(cx.subscribe_from(&self.room, since).await),
            Begin::Watch => {
                cx.watch(&self.room).await;
                Told::Open
            }
            Begin::Join(name) => {
                let joined = cx.join(&self.room, name).await;
                joined.map_or_else(|error| Told::Failed(error.to_string()), |()| Told::Open)
            }
        };
        self.tell(told);
    }

    #[on_text]
    fn said(&mut self, text: &str, cx: &mut Context<Self>) -> Result<(), PublishError> {
        match text {
            "unsubscribe" => assert!(cx.unsubscribe(&self.room)),
            "leave" => assert!(cx.leave(&self.room)),
            text if text.starts_with("others: ") => cx.publish_to_others(&self.room, text.to_owned())?,
            text => self.room.publish(text.to_owned())?,
        }
        Ok(())
    }

    #[on_info]
    fn heard(&mut self, line: Published<String>) {
        let _ = self.tell.send((Told::Heard(line.to_string()), line.position()));
    }

    #[on_info]
    fn presence(&mut self, presence: Presence) {
        self.tell(match presence {
            Presence::Joined(member) => Told::Joined(member.name.to_string()),
            Presence::Left(member) => Told::Left(member.name.to_string()),
        });
    }

    #[on_lagged]
    fn lagged(&mut self, missed: u64) {
        self.tell(Told::Lagged(missed));
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) {
        self.tell(Told::Failed(error.to_string()));
    }
}

/// A connection in memory, and what its handler tells.
struct Seat {
    client: WebSocketStream<DuplexStream>,
    told: mpsc::UnboundedReceiver<(Told, Option<Position>)>,
}

impl Seat {
    async fn take(room: &Topic<String>, begin: Begin) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let client = drive(Guest { room: room.clone(), begin, tell }).await;
        Self { client, told }
    }

    /// One that has subscribed.
    async fn subscriber(room: &Topic<String>) -> Self {
        let mut seat = Self::take(room, Begin::Subscribe).await;
        assert_eq!(seat.next().await, Told::Open);
        seat
    }

    /// One that comes back.
    async fn from(room: &Topic<String>, since: impl Into<Since>) -> (Self, Recovery) {
        let mut seat = Self::take(room, Begin::From(since.into())).await;
        // The method that waits for it comes to its end before others begin.
        match seat.next().await {
            Told::Recovered(recovery) => (seat, recovery),
            other => panic!("{other:?}"),
        }
    }

    async fn send(&mut self, text: &str) {
        self.client.send(Message::text(text)).await.unwrap();
    }

    async fn told(&mut self) -> (Told, Option<Position>) {
        timeout(PATIENCE, self.told.recv()).await.expect("something is told").expect("the handler is there")
    }

    async fn next(&mut self) -> Told {
        self.told().await.0
    }

    #[track_caller]
    fn hears(&mut self, line: &str) -> impl Future<Output = Option<Position>> {
        let caller = std::panic::Location::caller();
        async move {
            let (told, position) = self.told().await;
            assert_eq!(told, Told::Heard(line.to_owned()), "{caller}");
            position
        }
    }
}

/// Runs a handler; its client.
async fn drive<H: ws_core::Handler>(handler: H) -> WebSocketStream<DuplexStream> {
    let (client, server) = tokio::io::duplex(4096);
    let server = WebSocketStream::from_raw_socket(server, Role::Server, None).await;
    tokio::spawn(ws_core::drive(handler, server));
    WebSocketStream::from_raw_socket(client, Role::Client, None).await
}

/// Two processes.
async fn hubs(nats: &Nats) -> [Hub; 2] {
    [Hub::nats(&nats.url()).await.unwrap(), Hub::nats(&nats.url()).await.unwrap()]
}

/// Waits until something is so, which nobody tells.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("it becomes so");
}

#[tokio::test]
async fn server_that_is_not_there_is_named_without_the_password() {
    let error = Hub::nats("nats://me:secret@127.0.0.1:1").await.unwrap_err();
    assert!(matches!(error, HubError::Connect { .. }));
    let text = error.to_string();
    assert!(text.starts_with("cannot connect to NATS at 127.0.0.1:1: "), "{text}");
    assert!(text.contains("nats-server") && !text.contains("secret") && !text.contains("me:"), "{text}");
    let debug = format!("{error:?}");
    assert!(!debug.contains("secret"), "{debug}");

    let error = Hub::nats("nats://me:secret@host name").await.unwrap_err();
    assert!(matches!(error, HubError::Address { .. }));
    let text = error.to_string();
    assert!(text.starts_with("`host name` is no address of a NATS server: "), "{text}");
    assert!(!text.contains("secret") && !format!("{error:?}").contains("secret"), "{text}");
}
