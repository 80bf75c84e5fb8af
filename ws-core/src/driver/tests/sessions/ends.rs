//! How sessions and their connections end.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, duplex};
use tokio::time::{Instant, sleep, timeout};

use super::client::{Read, begin, own_scope, scope};
use super::{Log, Logged, S, logged};
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::handler::Handler;
use crate::prelude::*;
use crate::transport::session::{Attachment, SessionLink, SessionTransport, Sessions, Token};
use crate::wire::Connection;

#[tokio::test(start_paused = true)]
async fn session_expires_with_the_reason_of_the_loss() {
    let mut peer = logged().await;
    let start = Instant::now();
    peer.cut();
    assert_eq!(peer.event().await, "detach");
    assert_eq!(peer.event().await, "ConnectionLost(UnexpectedEof)");
    assert_eq!(start.elapsed(), 30 * S);
    assert!(!peer.resume().await);
    assert_eq!(peer.event().await, "handler dropped");
    assert_eq!(peer.task.await.unwrap(), CloseReason::ConnectionLost(std::io::ErrorKind::UnexpectedEof));
    assert_eq!(peer.sessions.len(), 0);
    timeout(S, peer.connections.wait_empty()).await.expect("the session held a permit");
}

#[tokio::test(start_paused = true)]
async fn reservation_defers_the_expiry() {
    let mut peer = logged().await;
    peer.cut();
    sleep(29 * S).await;
    let reservation = peer.link.reserve(peer.received).expect("the session waits");
    sleep(5 * S).await;
    assert!(!peer.link.is_over());
    drop(reservation);
    sleep(S / 1000).await;
    assert!(peer.link.is_over() && peer.link.reserve(0).is_none());

    // The stream comes after the time, but the client was told that the session goes on.
    let mut peer = logged().await;
    peer.cut();
    sleep(29 * S).await;
    let reservation = peer.link.reserve(peer.received).expect("the session waits");
    sleep(5 * S).await;
    let (client, server) = duplex(1 << 10);
    peer.io = Some(client);
    reservation.attach(Attachment::new(Box::new(server), Vec::new(), peer.received, None));
    assert_eq!(peer.object("session").await["resumed"], true);
    assert_eq!(peer.text().await, "while you were away");
}

#[tokio::test(start_paused = true)]
async fn another_connection_takes_over() {
    let mut peer = logged().await;
    peer.send("one").await;
    assert_eq!(peer.text().await, "re: one");
    let mut first = peer.io.take().unwrap();
    assert!(peer.resume().await);
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [&[0x88, 2][..], &4900_u16.to_be_bytes()].concat());
    peer.send("two").await;
    assert_eq!(peer.text().await, "re: two");
    // The session was never without a connection.
    assert_eq!((peer.event().await, peer.event().await), ("one".into(), "two".into()));
}

/// Connections that do not end hold a bounded number of streams.
#[tokio::test(start_paused = true)]
async fn takeovers_hold_few_streams() {
    let mut peer = logged().await;
    let mut earlier = Vec::new();
    for _ in 0..20 {
        earlier.push(peer.io.take().unwrap());
        assert!(peer.resume().await);
    }
    let mut open = 0;
    for stream in &mut earlier {
        let mut rest = Vec::new();
        open += usize::from(timeout(S / 1000, stream.read_to_end(&mut rest)).await.is_err());
    }
    // A stream that is shut down has an end for its client; what is open is bounded all the same.
    assert!(open <= 4, "{open}");
    sleep(6 * S).await;
    drop(earlier);
    assert!(peer.resume().await);
}

#[tokio::test(start_paused = true)]
async fn client_that_lacks_more_than_is_kept_supersedes_the_session() {
    let mut peer = logged().await;
    peer.send("one").await;
    assert_eq!(peer.text().await, "re: one");
    peer.acknowledge().await;
    sleep(S).await;
    assert!(peer.link.reserve(0).is_none(), "an acknowledged message is not kept");
    assert_eq!(peer.read().await, Read::Close(4900));
    assert_eq!((peer.event().await, peer.event().await), ("one".into(), "Superseded".into()));
    assert!(peer.sessions.find(&peer.token, &own_scope()).is_none());

    // Without a connection, no client is left to wait for.
    let mut peer = logged().await;
    peer.cut();
    assert_eq!(peer.event().await, "detach");
    let start = Instant::now();
    assert!(peer.link.reserve(7).is_none(), "such a message was not sent");
    assert_eq!(peer.event().await, "Superseded");
    assert_eq!(peer.event().await, "handler dropped");
    assert_eq!(start.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn token_is_useless_elsewhere() {
    let peer = logged().await;
    assert!(peer.sessions.find(&peer.token, &own_scope()).is_some());
    for (origin, path) in [("https://evil.example", "/"), ("https://example.com", "/other")] {
        let elsewhere = scope(Some(origin), path);
        assert!(peer.sessions.find(&peer.token, &elsewhere).is_none(), "{elsewhere:?}");
    }
    // A browser sends no origin with a GET to the server of the page.
    assert!(peer.sessions.find(&peer.token, &scope(None, "/")).is_some());
    assert!(peer.sessions.find(&peer.token, &scope(None, "/other")).is_none());
    assert!(peer.sessions.find("AAECAwQFBgcICQoLDA0ODw", &own_scope()).is_none());
}

#[tokio::test(start_paused = true)]
async fn malformed_objects_end_the_session() {
    for object in ["{\"ack\":1}", "{\"ack\":\"0\"}", "{}", "ack", "{\"text\":1}"] {
        let mut peer = logged().await;
        peer.send_object(object).await;
        assert_eq!(peer.read().await, Read::Close(1002), "{object}");
        assert!(peer.event().await.starts_with("Protocol(BadFrame("));
        assert!(!peer.resume().await);
    }
}

/// The client of a network that loses everything is not closed, but expected again.
#[tokio::test(start_paused = true)]
async fn silence_ends_the_connection_and_not_the_session() {
    #[websocket(session(resume = 2m), idle_timeout = 20s, ping_interval = none)]
    struct Idle(Log);
    #[websocket]
    impl Idle {
        #[on_detach]
        fn detach(&mut self) {
            self.0.send("detach".into()).unwrap();
        }
        #[on_close]
        fn close(&mut self, reason: &CloseReason) {
            self.0.send(format!("{reason:?}")).unwrap();
        }
    }
    let mut peer = begin(1 << 10, Idle::CHECKED_DECLARATION.options, Idle).await;
    let start = Instant::now();
    assert_eq!(peer.event().await, "detach");
    assert_eq!(start.elapsed(), 20 * S);
    assert_eq!(peer.read().await, Read::End);
    // Without a connection, the idle timeout does nothing.
    assert_eq!(peer.event().await, "ConnectionLost(TimedOut)");
    assert_eq!(start.elapsed(), 140 * S);

    #[websocket(session(resume = 2m), idle_timeout = none, ping_interval = 10s, pong_timeout = 5s)]
    struct Pinged(Log);
    #[websocket]
    impl Pinged {
        #[on_detach]
        fn detach(&mut self) {
            self.0.send("detach".into()).unwrap();
        }
    }
    let mut peer = begin(1 << 10, Pinged::CHECKED_DECLARATION.options, Pinged).await;
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(peer.read().await, Read::Ping);
    }
    assert_eq!(peer.event().await, "detach");
    assert_eq!(start.elapsed().as_secs(), 45, "the last ping is not answered, because nothing reads it");
    sleep(60 * S).await;
    assert!(peer.resume().await);
    assert_eq!(peer.read().await, Read::Ping, "none has waited meanwhile");
}

/// A handler that sends much by itself.
#[websocket(session(buffer = 1KiB), outbox_limit = 2KiB, outbox_high_water = 1KiB, ping_interval = none)]
struct Busy(Log);

#[websocket]
impl Busy {
    #[every(1s)]
    fn tick(&mut self) -> String {
        "x".repeat(500)
    }
    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn too_much_for_the_buffer_is_an_overflow() {
    let mut peer = begin(1 << 16, Busy::CHECKED_DECLARATION.options, Busy).await;
    let start = Instant::now();
    peer.cut();
    assert_eq!(peer.event().await, "Overflow");
    // 1 KiB in the buffer, 2 KiB in the outbox.
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(peer.event().await, "handler dropped");
    assert_eq!(start.elapsed().as_secs(), 7, "a session without a connection ends at once");
    assert!(!peer.resume().await);

    // A connection without acknowledgements is one that does not read.
    let mut peer = begin(1 << 16, Busy::CHECKED_DECLARATION.options, Busy).await;
    sleep(10 * S).await;
    assert_eq!(peer.event().await, "Overflow");
    // With them it goes on.
    let mut peer = begin(1 << 16, Busy::CHECKED_DECLARATION.options, Busy).await;
    for _ in 0..20 {
        assert_eq!(peer.text().await.len(), 500);
        peer.acknowledge().await;
    }
}

/// The acknowledgement may be behind messages that the engine does not read, because its output waits.
#[tokio::test(start_paused = true)]
async fn acknowledgements_are_found_behind_messages() {
    #[websocket(session(buffer = 2KiB), outbox_high_water = 1KiB, ping_interval = none)]
    struct Echo(#[allow(dead_code)] Log);
    #[websocket]
    impl Echo {
        #[on_text]
        fn text(&mut self, text: &str) -> String {
            text.into()
        }
    }
    let mut peer = begin(1 << 20, Echo::CHECKED_DECLARATION.options, Echo).await;
    for index in 0..400 {
        peer.send(&format!("{index:0500}")).await;
    }
    for index in 0..400 {
        let text = timeout(60 * S, peer.text()).await.expect("the session stands still");
        assert_eq!(text, format!("{index:0500}"));
        if index % 2 == 1 {
            peer.acknowledge().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_abandoned_sessions_are_bounded_and_freed() {
    const LIMIT: usize = 10_000;
    let connections = Arc::<ConnectionTracker>::default();
    let sessions = Arc::<Sessions>::default();
    let (log, _events) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..LIMIT {
        let permit = connections.admit(&ConnectionLimits::new(LIMIT), None).unwrap();
        let (client, server) = duplex(64);
        let link = sessions.begin(&own_scope(), None).unwrap();
        let options = Arc::new(Logged::CHECKED_DECLARATION.options);
        let attachment = Attachment::new(Box::new(server), Vec::new(), 0, None);
        let io = SessionTransport::new(&sessions, link, attachment, Arc::clone(&options), S);
        let cx = Context::new(Connection::new(options, Vec::new(), crate::clock::now()), None, None);
        tokio::spawn(crate::driver::run(Logged(log.clone()), cx, io, Some(permit)));
        drop(client);
    }
    sleep(S).await;
    assert_eq!(sessions.len(), LIMIT);
    assert!(connections.admit(&ConnectionLimits::new(LIMIT), None).is_err(), "they count as connections");
    sleep(30 * S).await;
    assert_eq!(sessions.len(), 0);
    timeout(S, connections.wait_empty()).await.expect("each has ended");
}

/// The memory of an idle session, besides that of a connection: the transport in the task in place of the socket, the
/// socket in a box, the link with its counters, and an entry of the table, which is at least half full.
#[test]
fn idle_session_needs_at_most_400_bytes_more() {
    let transport = size_of::<SessionTransport>();
    let link = size_of::<SessionLink>() + 2 * size_of::<usize>();
    let entry = 2 * (size_of::<(Token, Arc<SessionLink>)>() + 1);
    let sum = transport + link + entry;
    println!("transport {transport}, link {link}, entry {entry}: {sum}");
    assert!(sum <= 400, "{transport} + {link} + {entry} = {sum}");
}
