//! Every end of a session frees its place, and runs `#[on_close]` once.

use tokio::time::{sleep, timeout};

use super::client::{Peer, begin};
use super::{Log, S, frame};
use crate::error::BoxError;
use crate::handler::Handler;
use crate::prelude::*;

/// A handler that ends as its client wants, or panics in a method.
#[websocket(
    session(resume = 2s, buffer = 1KiB),
    ping_interval = none,
    max_lifetime = 1m,
    max_message_size = 1KiB,
    outbox_limit = 2KiB,
    outbox_high_water = 1KiB,
)]
struct Ending {
    log: Log,
    panics_in: &'static str,
}

#[websocket]
impl Ending {
    fn run(&self, method: &str) {
        self.log.send(method.to_owned()).unwrap();
        assert_ne!(self.panics_in, method, "on purpose");
    }

    #[on_open]
    fn open(&mut self) {
        self.run("open");
    }

    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) -> Result<(), BoxError> {
        match &*text {
            "stop" => cx.close((4000, "bye")),
            "error" => return Err("on purpose".into()),
            "panic" => panic!("on purpose"),
            "much" => (0..8).for_each(|_| cx.send("x".repeat(900))),
            _ => sleep(3600 * S).await,
        }
        Ok(())
    }

    #[on_detach]
    async fn detach(&mut self) {
        self.run("detach");
    }

    #[on_attach]
    fn attach(&mut self) {
        self.run("attach");
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.log.send(format!("{reason:?}")).unwrap();
        self.run("close");
    }
}

/// Ends a session in a way, and checks what is left of it.
async fn check(way: &str, panics_in: &'static str, act: impl AsyncFnOnce(&mut Peer)) {
    let mut peer = begin(1 << 12, Ending::CHECKED_DECLARATION.options, |log| Ending { log, panics_in }).await;
    act(&mut peer).await;
    // The longest way is `max_lifetime`, after which the client has `close_timeout`.
    let end = timeout(70 * S, &mut peer.task).await.unwrap_or_else(|_| panic!("{way}: the session goes on"));
    let mut events = Vec::new();
    while let Ok(event) = peer.log.try_recv() {
        events.push(event);
    }
    let count = |method: &str| events.iter().filter(|event| *event == method).count();
    assert_eq!(count("open"), 1, "{way}: {events:?}");
    assert_eq!(count("close"), usize::from(end.is_ok()), "{way}: {events:?}");
    assert!(events.iter().any(|event| event.starts_with(way)) || end.is_err(), "{way}: {events:?}");
    timeout(S / 1000, peer.connections.wait_empty())
        .await
        .unwrap_or_else(|_| panic!("{way}: a place is held"));
    assert_eq!(peer.sessions.len(), 0, "{way}");
    assert!(peer.link.is_over() && !peer.reattach(), "{way}");
}

#[tokio::test(start_paused = true)]
async fn every_end_frees_the_place_of_the_session() {
    check("Remote", "", async |peer| peer.raw(&frame(0x88, b"\x03\xe8")).await).await;
    check("Remote", "close", async |peer| peer.raw(&frame(0x88, b"")).await).await;
    check("ConnectionLost", "", async |peer| peer.cut()).await;
    check("Protocol", "", async |peer| peer.raw(&[0xff; 16]).await).await;
    check("Protocol", "", async |peer| peer.send_object("{}").await).await;
    check("Protocol(MessageTooBig", "", async |peer| peer.send(&"x".repeat(2000)).await).await;
    for (text, way) in [("stop", "Stop"), ("error", "Error"), ("panic", "Panic"), ("much", "Overflow")] {
        check(way, "", async |peer| peer.send(text).await).await;
        // The method runs when the connection is lost already.
        check(way, "", async |peer| {
            peer.send(text).await;
            peer.cut();
        })
        .await;
    }
    check("Superseded", "", async |peer| assert!(peer.link.reserve(9).is_none())).await;
    check("Superseded", "", async |peer| {
        peer.cut();
        sleep(S).await;
        assert!(peer.link.reserve(9).is_none());
    })
    .await;
    check("Expired", "", async |_| {}).await;
    for method in ["open", "detach", "attach"] {
        check("Panic", method, async |peer| {
            peer.cut();
            sleep(S).await;
            if peer.reattach() {
                sleep(S).await;
            }
        })
        .await;
    }
    check("", "", async |peer| peer.task.abort()).await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_frees_the_place_of_every_session() {
    let shut_down = |peer: &Peer| peer.connections.shut_down(crate::clock::now() + 10 * S);
    check("Shutdown", "", async |peer| shut_down(peer)).await;
    check("Shutdown", "", async |peer| {
        peer.cut();
        sleep(S).await;
        shut_down(peer);
    })
    .await;
    // A method is pending, with a connection and without.
    for is_cut in [false, true] {
        check("Shutdown", "", async |peer| {
            peer.send("wait").await;
            sleep(S).await;
            if is_cut {
                peer.cut();
                sleep(S).await;
            }
            shut_down(peer);
            sleep(S).await;
            // The server takes no connection of a session that it ends.
            assert!(!peer.reattach());
        })
        .await;
    }
    check("ConnectionLost", "", async |peer| {
        peer.send("wait").await;
        sleep(S).await;
        peer.cut();
        sleep(3 * S).await;
    })
    .await;
}
