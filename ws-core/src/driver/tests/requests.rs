//! Requests of the registry to a connection: closes, which also reach a client that does not read, and reports.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::peer::{Log, Peer, connect, connect_with, options};
use crate::connections::ConnectionReport;
use crate::prelude::*;

const S: Duration = Duration::from_secs(1);

/// A handler that a client can keep busy in several ways.
#[websocket(idle_timeout = none, ping_interval = none, close_timeout = 5s)]
struct Busy(Log);

#[websocket]
impl Busy {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.tag("user:42").unwrap();
        self.0.send("open".into()).unwrap();
    }

    #[on_text]
    async fn text(&mut self, text: &str, cx: &mut Context<Self>) {
        self.0.send(text.into()).unwrap();
        match text {
            "fill" => cx.send(vec![0; 30_000]),
            "flushed" => {
                cx.send(vec![0; 100_000]);
                cx.flushed().await;
            }
            "forever" => std::future::pending().await,
            "drain" => {
                let addr = cx.addr();
                cx.send(vec![0; 100_000]);
                (0..100).for_each(|_| addr.send(1000).unwrap());
            }
            _ => {}
        }
    }

    #[on_info]
    fn info(&mut self, len: usize) -> Vec<u8> {
        vec![0; len]
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason}")).unwrap();
    }
}

/// Connects a client that sends a command and then does not read.
async fn begin(command: &str) -> Peer {
    let mut peer = connect(Busy);
    assert_eq!(peer.event().await, "open");
    peer.send(command).await;
    assert_eq!(peer.event().await, command);
    sleep(S).await;
    peer
}

fn kick(peer: &Peer) -> usize {
    peer.connections.close_tagged("user:42", &Close::from((4003, "signed out")))
}

#[tokio::test(start_paused = true)]
async fn close_reaches_a_client_that_does_not_read() {
    for command in ["idle", "fill", "flushed", "forever", "drain"] {
        let mut peer = begin(command).await;
        assert_eq!(kick(&peer), 1, "{command}");
        let start = Instant::now();
        // A second close, and a shutdown, change nothing.
        kick(&peer);
        peer.connections.shut_down(crate::clock::now() + 3600 * S);
        let reason = timeout(5 * S + S / 10, &mut peer.task).await;
        let reason = reason.unwrap_or_else(|_| panic!("{command}: open after {:?}", start.elapsed()));
        assert_eq!(reason.unwrap(), CloseReason::Requested((4003, "signed out").into()), "{command}");
        assert_eq!(peer.event().await, "closed by the program: 4003 \"signed out\"");
        assert_eq!(peer.event().await, "handler dropped", "{command}: `#[on_close]` runs once");
        assert_eq!((peer.connections.count(None), kick(&peer)), (0, 0));
    }
}

/// Each byte that the client reads is progress, which would prolong any other close.
#[tokio::test(start_paused = true)]
async fn client_that_reads_slowly_does_not_prolong_the_close() {
    let mut peer = begin("fill").await;
    kick(&peer);
    let start = Instant::now();
    while !peer.task.is_finished() {
        sleep(S / 10).await;
        _ = timeout(S / 10, tokio::io::AsyncReadExt::read_u8(&mut peer.io)).await;
    }
    assert!(start.elapsed() <= 6 * S, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_gets_what_was_sent_before_the_close() {
    let mut peer = begin("fill").await;
    kick(&peer);
    assert_eq!(peer.frame().await.unwrap().payload.len(), 30_000);
    assert_eq!(peer.closed().await, 4003);

    // A method that is pending is cancelled, although it would run forever.
    let mut peer = begin("forever").await;
    kick(&peer);
    assert_eq!(peer.closed().await, 4003);
    assert_eq!(peer.task.await.unwrap(), CloseReason::Requested((4003, "signed out").into()));
}

#[tokio::test(start_paused = true)]
async fn code_that_may_not_be_sent_becomes_1011() {
    for (close, code) in [(Close::from(1006), 1011), (Close::empty(), 0), (Close::from(3000), 3000)] {
        let mut peer = begin("idle").await;
        peer.connections.close_tagged("user:42", &close);
        assert_eq!(peer.closed().await, code);
    }
}

async fn report(peer: &Peer) -> ConnectionReport {
    peer.connections.request_reports().remove(0).report.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn report_has_the_figures_of_the_connection() {
    let mut peer = connect_with(64, options::<Busy>(|_| {}), Busy);
    assert_eq!(peer.event().await, "open");
    let ConnectionReport { received, sent, buffered, is_in_method, is_closing } = report(&peer).await;
    assert_eq!((received, sent, buffered, is_in_method, is_closing), (0, 0, 0, false, false));

    peer.send("fill").await;
    assert_eq!(peer.event().await, "fill");
    sleep(S).await;
    // The stream in memory holds 64 bytes.
    let ConnectionReport { received, sent, buffered, .. } = report(&peer).await;
    assert_eq!((received, sent, buffered), (6 + 4, 64, 4 + 30_000 - 64));
    peer.frame().await.unwrap();

    peer.send("forever").await;
    assert_eq!(peer.event().await, "forever");
    let ConnectionReport { sent, buffered, is_in_method, is_closing, .. } = report(&peer).await;
    assert_eq!((sent, buffered, is_in_method, is_closing), (4 + 30_000, 0, true, false));

    let snapshot = peer.connections.request_reports().remove(0);
    assert_eq!(snapshot.handler, std::any::type_name::<Busy>());
    assert_eq!(snapshot.tags, ["user:42".into()]);
    assert!(snapshot.opened.elapsed() < S);
    kick(&peer);
    let report = report(&peer).await;
    assert!(report.is_closing && report.is_in_method);
    assert_eq!(peer.closed().await, 4003);
}

/// A handler that signs its client in after a lookup.
#[websocket(path = "/", one_per = "user")]
#[derive(Default)]
struct SlowLogin;

#[websocket]
impl SlowLogin {
    #[on_text]
    async fn sign_in(&mut self, ms: &str, cx: &mut Context<Self>) -> String {
        sleep(Duration::from_millis(ms.parse().unwrap())).await;
        format!("{:?}", cx.tag("user:42"))
    }
}

#[tokio::test(start_paused = true)]
async fn connection_that_closes_takes_the_place_of_none() {
    let router: Router = Router::new().mount::<SlowLogin>();
    let open = || crate::test::TestClient::<SlowLogin>::upgrade("/").open_through(router.clone());
    let (mut old, mut new) = (open().await.unwrap(), open().await.unwrap());
    old.send("500").await;
    old.close(1000).await;
    new.send("0").await;
    assert_eq!(new.text().await, "Ok(())");
    new.advance(S).await;
    assert_eq!(router.connections().tagged("user:42").count(), 1);
    new.send("0").await;
    assert_eq!(new.text().await, "Ok(())", "it is still open");
}
