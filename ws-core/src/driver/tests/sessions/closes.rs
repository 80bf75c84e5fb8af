//! Sessions that the server closes: it stops, or the handler closes, with a connection and between two.

use tokio::io::duplex;
use tokio::time::{Instant, sleep, timeout};

use super::client::{Peer, Read, begin, own_scope};
use super::{Log, Logged, S, logged};
use crate::handler::Handler;
use crate::prelude::*;
use crate::transport::session::Attachment;

#[tokio::test(start_paused = true)]
async fn shutdown_tells_clients_to_come_back() {
    let mut delays = Vec::new();
    for _ in 0..8 {
        let mut peer = begin_for_shutdown().await;
        peer.connections.shut_down(crate::clock::now() + 10 * S);
        delays.push(peer.object("reconnect").await.as_u64().unwrap());
        assert_eq!(peer.read().await, Read::Close(1012));
        assert_eq!(peer.event().await, "Shutdown");
        assert!(!peer.resume().await);
    }
    assert!(delays.iter().all(|delay| *delay <= 10_000), "{delays:?}");
    // Eight equal shares have a chance of one in 10^28.
    assert!(delays.iter().any(|delay| *delay != delays[0]), "{delays:?}");

    // The client learns what was handled, so that it sends that to no other server again.
    let mut peer = begin_for_shutdown().await;
    peer.send("one").await;
    assert_eq!(peer.text().await, "re: one");
    peer.connections.shut_down(crate::clock::now() + 10 * S);
    assert_eq!(peer.object("ack").await, 1);
    peer.object("reconnect").await;
    assert_eq!(peer.read().await, Read::Close(1012));

    // Without a connection, the session ends at once.
    let mut peer = begin_for_shutdown().await;
    peer.cut();
    assert_eq!(peer.event().await, "detach");
    let start = Instant::now();
    peer.connections.shut_down(crate::clock::now() + 10 * S);
    assert_eq!(peer.event().await, "Shutdown");
    timeout(S, peer.connections.wait_empty()).await.expect("no client is left to wait for");
    assert!(start.elapsed() < S);
}

async fn begin_for_shutdown() -> Peer {
    let mut options = Logged::CHECKED_DECLARATION.options;
    options.close_codes.shutdown.0 = 1012;
    let mut peer = begin(1 << 10, options, Logged).await;
    assert_eq!(peer.event().await, "open");
    peer
}

/// A handler that closes on request.
#[websocket(session, ping_interval = none)]
struct Leaver(Log);

#[websocket]
impl Leaver {
    #[on_text]
    fn text(&mut self, text: String, cx: &mut Context<Self>) -> String {
        cx.send_after(S, Leave);
        text
    }

    #[on_info]
    fn leave(&mut self, _: Leave) -> (&'static str, Close) {
        ("bye", Close::from(4000))
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

struct Leave;

/// Expects the object `session` with `resumed: false`, and what lets a client begin anew at once.
async fn expect_begin_anew(io: tokio::io::DuplexStream, peer: &mut Peer) {
    peer.cut();
    peer.io = Some(io);
    let greeting = peer.object("session").await;
    assert_eq!((&greeting["resumed"], &greeting["received"]), (&false.into(), &0.into()));
    assert_eq!(peer.object("reconnect").await, 0);
    assert_eq!(peer.read().await, Read::Close(1012));
    assert_eq!(peer.read().await, Read::End);
}

#[tokio::test(start_paused = true)]
async fn session_that_closes_is_resumed_no_more() {
    let mut peer = begin(1 << 10, Leaver::CHECKED_DECLARATION.options, Leaver).await;
    peer.send("go").await;
    assert_eq!(peer.text().await, "go");
    // A request that is about to resume the session, and one whose stream the session has not taken.
    let early = peer.link.reserve(1).unwrap();
    assert_eq!((peer.text().await, peer.read().await), ("bye".into(), Read::Close(4000)));
    assert!(peer.event().await.starts_with("Stop"));
    // The session waits for the client's close frame, so its task has not ended.
    assert!(!peer.task.is_finished());
    assert!(peer.sessions.find(&peer.token, &own_scope()).is_none(), "the next request begins a session");
    assert!(peer.link.reserve(2).is_none());
    let (client, server) = duplex(1 << 10);
    early.attach(Attachment::new(Box::new(server), Vec::new(), 1, None));
    expect_begin_anew(client, &mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn stream_that_a_session_has_not_taken_begins_anew() {
    let mut peer = logged().await;
    // A session whose task takes nothing.
    let link = peer.sessions.begin(&own_scope(), None).unwrap();
    let (client, server) = duplex(1 << 10);
    link.reserve(0).unwrap().attach(Attachment::new(Box::new(server), Vec::new(), 0, None));
    peer.sessions.end(&link);
    expect_begin_anew(client, &mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn close_between_two_polls_is_in_the_next_one() {
    let mut peer = begin(1 << 10, Leaver::CHECKED_DECLARATION.options, Leaver).await;
    peer.send("go").await;
    assert_eq!(peer.text().await, "go");
    let poll = |peer: &mut Peer| {
        let (client, server) = duplex(1 << 10);
        let stream = Attachment::new(Box::new(server), Vec::new(), 1, None);
        let reservation = peer.link.reserve(1).expect("the session goes on");
        reservation.attach(Attachment { grace: 5 * S, ..stream });
        peer.cut();
        peer.io = Some(client);
    };
    poll(&mut peer);
    peer.object("session").await;
    peer.cut();
    // The handler closes meanwhile.
    sleep(3 * S).await;
    assert!(peer.event().await.starts_with("Stop"));
    poll(&mut peer);
    assert_eq!(peer.object("session").await["resumed"], true);
    assert_eq!((peer.text().await, peer.read().await), ("bye".into(), Read::Close(4000)));
    peer.raw(&super::frame(0x88, &1000_u16.to_be_bytes())).await;
    assert_eq!(peer.read().await, Read::End);
    assert_eq!(peer.sessions.len(), 0);

    // Without another poll, the session ends with its grace.
    let mut peer = begin(1 << 10, Leaver::CHECKED_DECLARATION.options, Leaver).await;
    peer.send("go").await;
    assert_eq!(peer.text().await, "go");
    poll(&mut peer);
    peer.object("session").await;
    peer.cut();
    sleep(7 * S).await;
    assert_eq!(peer.sessions.len(), 0);
}

/// A poll ends after each message, and another one follows.
#[tokio::test(start_paused = true)]
async fn grace_bridges_short_connections() {
    let mut peer = logged().await;
    let (client, server) = duplex(1 << 10);
    let poll = |server, received| Attachment {
        grace: 5 * S,
        ..Attachment::new(Box::new(server), Vec::new(), received, None)
    };
    peer.link.reserve(0).unwrap().attach(poll(server, 0));
    peer.io = Some(client);
    peer.object("session").await;
    peer.cut();
    sleep(4 * S).await;
    let (client, server) = duplex(1 << 10);
    peer.link.reserve(0).unwrap().attach(poll(server, 0));
    peer.io = Some(client);
    peer.object("session").await;
    peer.cut();
    sleep(4 * S).await;
    assert!(peer.log.try_recv().is_err(), "the next poll may still come");
    sleep(2 * S).await;
    assert_eq!(peer.event().await, "detach");
    let start = Instant::now();
    assert_eq!(peer.event().await, "ConnectionLost(UnexpectedEof)");
    assert_eq!(start.elapsed(), 24 * S, "the wait counts from the end of the connection");
}

#[tokio::test(start_paused = true)]
async fn program_closes_a_session_with_and_without_a_connection() {
    for is_detached in [false, true] {
        let mut peer = begin_for_shutdown().await;
        if is_detached {
            peer.cut();
            assert_eq!(peer.event().await, "detach");
        }
        let id = peer.connections.request_reports().remove(0).id;
        assert!(peer.connections.close_id(id, &Close::from((4003, "signed out"))));
        if !is_detached {
            assert_eq!(peer.read().await, Read::Close(4003));
        }
        assert!(peer.event().await.starts_with("Requested"));
        timeout(6 * S, peer.connections.wait_empty()).await.expect("no client prolongs the close");
        assert!(!peer.resume().await);
    }
}
