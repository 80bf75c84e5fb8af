//! Topics of several processes (`Hub::nats`), over a server that the test starts. Two hubs with their own
//! connections act as two processes.

use std::time::Duration;

use futures_util::SinkExt;
use tests::nats::NatsServer;
use tests::tungstenite::Message;
use tests::tungstenite::protocol::Role;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use ws_core::prelude::*;
use ws_core::{HubError, Recovery};

#[path = "nats/auth.rs"]
mod auth;
#[path = "nats/chaos/mod.rs"]
mod chaos;
#[path = "nats/close.rs"]
mod close;
#[path = "nats/cluster.rs"]
mod cluster;
#[path = "nats/concurrent_publish.rs"]
mod concurrent_publish;
#[path = "nats/cost.rs"]
mod cost;
#[path = "nats/faults/mod.rs"]
mod faults;
#[path = "nats/forward.rs"]
mod forward;
#[path = "nats/history.rs"]
mod history;
#[path = "nats/larger_streams.rs"]
mod larger_streams;
#[path = "nats/last_messages.rs"]
mod last_messages;
#[path = "nats/load.rs"]
mod load;
#[path = "nats/names.rs"]
mod names;
#[path = "nats/panics.rs"]
mod panics;
#[path = "nats/position.rs"]
mod position;
#[path = "nats/presence.rs"]
mod presence;
#[path = "nats/publish.rs"]
mod publish;
#[path = "nats/restart.rs"]
mod restart;
#[path = "nats/tagged.rs"]
mod tagged;
#[path = "nats/tagged_send.rs"]
mod tagged_send;
#[path = "nats/unresponsive.rs"]
mod unresponsive;
#[path = "nats/versions.rs"]
mod versions;

/// Limit for every wait in these tests, also on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a handler does in `#[on_open]`.
#[derive(Clone)]
enum OnOpen {
    Subscribe,
    From(Since),
    Watch,
    Join(&'static str),
}

/// An event that a handler reports to the test.
#[derive(Debug, PartialEq)]
enum Event {
    Open,
    Recovered(Recovery),
    Received(String),
    Lagged(u64),
    Joined(String),
    Left(String),
    Failed(String),
}

#[websocket(mailbox = 100_000, idle_timeout = none, ping_interval = none)]
struct RoomHandler {
    room: Topic<String>,
    on_open: OnOpen,
    events: mpsc::UnboundedSender<(Event, Option<Position>)>,
}

impl RoomHandler {
    fn report(&self, event: Event) {
        // Sending fails if the test has ended.
        let _ = self.events.send((event, None));
    }
}

#[websocket]
impl RoomHandler {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let event = match self.on_open {
            OnOpen::Subscribe => {
                let subscribed = cx.subscribe(&self.room).await;
                subscribed.map_or_else(|error| Event::Failed(error.to_string()), |()| Event::Open)
            }
            OnOpen::From(since) => Event::Recovered(cx.subscribe_from(&self.room, since).await),
            OnOpen::Watch => {
                let watched = cx.watch(&self.room).await;
                watched.map_or_else(|error| Event::Failed(error.to_string()), |()| Event::Open)
            }
            OnOpen::Join(name) => {
                let joined = cx.join(&self.room, name).await;
                joined.map_or_else(|error| Event::Failed(error.to_string()), |()| Event::Open)
            }
        };
        self.report(event);
    }

    #[on_text]
    fn on_text(&mut self, text: &str, cx: &mut Context<Self>) -> Result<(), PublishError> {
        match text {
            "unsubscribe" => assert!(cx.unsubscribe(&self.room)),
            "leave" => assert!(cx.leave(&self.room)),
            text if text.starts_with("others: ") => _ = cx.publish_to_others(&self.room, text.to_owned())?,
            text => _ = self.room.publish(text.to_owned())?,
        }
        Ok(())
    }

    #[on_info]
    fn on_published(&mut self, line: Published<String>) {
        let _ = self.events.send((Event::Received(line.to_string()), line.position()));
    }

    #[on_info]
    fn on_presence(&mut self, presence: Presence) {
        self.report(match presence {
            Presence::Joined(member) => Event::Joined(member.name.to_string()),
            Presence::Left(member) => Event::Left(member.name.to_string()),
        });
    }

    #[on_lagged]
    fn on_lagged(&mut self, missed: u64) {
        self.report(Event::Lagged(missed));
    }

    #[on_error]
    fn on_error(&mut self, error: &HandlerError) {
        self.report(Event::Failed(error.to_string()));
    }
}

/// A client connected in memory, and the events that its handler reports.
struct Session {
    client: WebSocketStream<DuplexStream>,
    events: mpsc::UnboundedReceiver<(Event, Option<Position>)>,
}

impl Session {
    async fn open(room: &Topic<String>, on_open: OnOpen) -> Self {
        let (events, received) = mpsc::unbounded_channel();
        let client = drive(RoomHandler { room: room.clone(), on_open, events }).await;
        Self { client, events: received }
    }

    /// Opens a session whose handler has subscribed, although the broker does not answer.
    async fn unconfirmed_subscriber(room: &Topic<String>) -> Self {
        let mut session = Self::open(room, OnOpen::Subscribe).await;
        let event = session.next().await;
        assert!(matches!(&event, Event::Failed(error) if !error.contains("rejected")), "{event:?}");
        session
    }

    /// Opens a session whose handler has subscribed.
    async fn subscriber(room: &Topic<String>) -> Self {
        let mut session = Self::open(room, OnOpen::Subscribe).await;
        assert_eq!(session.next().await, Event::Open);
        session
    }

    /// Opens a session that recovers what it missed.
    async fn from(room: &Topic<String>, since: impl Into<Since>) -> (Self, Recovery) {
        let mut session = Self::open(room, OnOpen::From(since.into())).await;
        // `#[on_open]` completes before any other method runs, so its event is the first.
        match session.next().await {
            Event::Recovered(recovery) => (session, recovery),
            other => panic!("{other:?}"),
        }
    }

    async fn send(&mut self, text: &str) {
        self.client.send(Message::text(text)).await.unwrap();
    }

    async fn next_with_position(&mut self) -> (Event, Option<Position>) {
        timeout(TIMEOUT, self.events.recv())
            .await
            .expect("timed out waiting for an event")
            .expect("the handler has ended")
    }

    async fn next(&mut self) -> Event {
        self.next_with_position().await.0
    }

    #[track_caller]
    fn expect_message(&mut self, line: &str) -> impl Future<Output = Option<Position>> {
        let caller = std::panic::Location::caller();
        async move {
            let (event, position) = self.next_with_position().await;
            assert_eq!(event, Event::Received(line.to_owned()), "{caller}");
            position
        }
    }
}

/// Runs a handler over a connection in memory. Returns its client.
async fn drive<H: ws_core::Handler>(handler: H) -> WebSocketStream<DuplexStream> {
    let (client, server) = tokio::io::duplex(4096);
    let server = WebSocketStream::from_raw_socket(server, Role::Server, None).await;
    tokio::spawn(ws_core::drive(handler, server));
    WebSocketStream::from_raw_socket(client, Role::Client, None).await
}

/// Connects two hubs, which act as two processes.
async fn hubs(nats: &NatsServer) -> [Hub; 2] {
    [Hub::nats(&nats.url()).await.unwrap(), Hub::nats(&nats.url()).await.unwrap()]
}

/// Polls until a condition holds.
async fn wait_until(mut condition: impl AsyncFnMut() -> bool) {
    let polled = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(TIMEOUT, polled).await.expect("the condition never held");
}

#[tokio::test]
async fn unreachable_server_is_named_without_its_password() {
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
    assert!(text.starts_with("invalid NATS address `host name`: "), "{text}");
    assert!(!text.contains("secret") && !format!("{error:?}").contains("secret"), "{text}");
}
