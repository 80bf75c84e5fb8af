//! Failures around a connection: buffering streams, panics in drops, methods that never end.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream, duplex};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::peer::{Log, connect, connect_with, frame, options};
use crate::clock::now;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::options::Options;
use crate::prelude::*;
use crate::wire::Connection;

#[websocket]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

#[tokio::test(start_paused = true)]
async fn buffering_stream_is_flushed_completely() {
    let (mut client, server) = duplex(64);
    let cx = Cx::new(Connection::new(Arc::new(Options::DEFAULT), Vec::new(), now()), None, None);
    tokio::spawn(run(Echo, cx, BufStream::new(server), None));
    client.write_all(&frame(0x81, &[b'x'; 1000])).await.unwrap();
    let mut reply = vec![0; 1004];
    let whole = timeout(Duration::from_secs(30), client.read_exact(&mut reply)).await;
    assert!(whole.is_ok(), "the reply never arrives completely");
}

/// A request whose sender waits for the response.
struct Request(#[allow(dead_code)] oneshot::Sender<()>);

#[websocket]
struct Responder(Sender<Addr<Self>>);

#[websocket]
impl Responder {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.0.send(cx.addr()).unwrap();
    }

    #[on_text]
    async fn leave(&mut self, _: &str) -> Close {
        sleep(Duration::from_secs(1)).await;
        Close::default()
    }

    #[on_info]
    fn request(&mut self, _: Request) {}
}

#[tokio::test(start_paused = true)]
async fn unhandled_mailbox_messages_are_dropped_at_the_close() {
    let (addr, addrs) = channel();
    let mut peer = connect(|_| Responder(addr));
    peer.send("leave").await;
    tokio::task::yield_now().await;
    let addr = addrs.recv().unwrap();
    let (response, responded) = oneshot::channel();
    addr.send(Request(response)).unwrap();
    assert_eq!(peer.closed().await, 1000);
    assert!(timeout(Duration::from_secs(1), responded).await.is_ok(), "the sender still waits");
}

/// Handler of a method that closes and then never ends.
#[websocket]
struct Stuck(Log);

#[websocket]
impl Stuck {
    #[on_text]
    async fn text(&mut self, _: &str, cx: &mut Context<Self>) {
        cx.close(1000);
        std::future::pending::<()>().await;
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(reason.to_string()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_cancels_a_method_that_never_ends_after_its_close() {
    let mut peer = connect(Stuck);
    peer.send("go").await;
    assert_eq!(peer.closed().await, 1000);
    let start = Instant::now();
    peer.connections.shut_down(now() + Duration::from_secs(5));
    peer.connections.wait_empty().await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(peer.events().await, ["closed by the handler: 1000"]);
}

#[tokio::test(start_paused = true)]
async fn first_close_reason_is_reported() {
    #[websocket]
    struct Late(Log);

    #[websocket]
    impl Late {
        #[on_text]
        async fn text(&mut self, _: &str) -> Close {
            sleep(Duration::from_millis(500)).await;
            Close::from(4000)
        }

        #[on_close]
        fn close(&mut self, reason: &CloseReason) {
            self.0.send(reason.to_string()).unwrap();
        }
    }

    let mut peer = connect(Late);
    peer.send("go").await;
    peer.close(1001).await;
    assert_eq!(peer.closed().await, 1001);
    assert_eq!(peer.events().await, ["closed by the client: 1001"]);
}

#[tokio::test(start_paused = true)]
async fn disconnect_is_detected_by_a_write_while_reading_is_paused() {
    #[websocket(cancel_timeout = 1h, idle_timeout = none)]
    struct NotReading(Log);

    #[websocket]
    impl NotReading {
        #[on_open]
        fn open(&mut self, cx: &mut Context<Self>) {
            cx.set_active(false);
        }

        #[after(1s)]
        fn greet(&mut self) -> &'static str {
            "hello?"
        }

        #[on_close]
        fn close(&mut self, reason: &CloseReason) {
            self.0.send(format!("{reason:?}")).unwrap();
        }
    }

    let start = Instant::now();
    let peer = connect_with(64, options::<NotReading>(|_| {}), NotReading);
    assert_eq!(peer.events().await, ["ConnectionLost(BrokenPipe)"]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// A value whose drop panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "boom");
    }
}

/// Handler of a method that holds a [`Bomb`] while it is pending.
#[websocket]
struct Bomber(Log);

#[websocket]
impl Bomber {
    #[on_text]
    async fn text(&mut self, _: &str) {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
    }

    #[on_close]
    fn close(&mut self) {
        self.0.send("closed".into()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn on_close_runs_after_a_cancelled_method_that_panics_when_dropped() {
    let mut peer = connect(Bomber);
    peer.send("x").await;
    peer.close(1000).await;
    assert_eq!(peer.event().await, "closed");
}

#[tokio::test(start_paused = true)]
async fn close_frame_is_sent_although_the_handler_panics_when_dropped() {
    #[websocket]
    struct Loaded(#[allow(dead_code)] Bomb);

    #[websocket]
    impl Loaded {
        #[on_text]
        fn text(&mut self, _: &str) -> Close {
            Close::default()
        }
    }

    let mut peer = connect(|_| Loaded(Bomb));
    peer.send("x").await;
    assert_eq!(peer.closed().await, 1000);
}

/// Handler of a method that panics with a payload whose drop panics.
#[websocket]
struct Thrower(Log);

#[websocket]
impl Thrower {
    #[on_text]
    fn text(&mut self, _: &str) {
        std::panic::panic_any(Bomb);
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn on_close_runs_after_a_panic_whose_payload_panics_when_dropped() {
    let mut peer = connect(Thrower);
    peer.send("x").await;
    assert_eq!(peer.closed().await, 1011);
    assert_eq!(peer.events().await, ["Panic(\"\")"]);
}
