//! Clients that read nothing, acknowledge nothing, or close at the wrong moment.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::client::{Read, begin};
use super::{Log, Logged, S, frame};
use crate::handler::Handler;
use crate::prelude::*;

/// The answers to pings are no memory that a client can fill.
#[tokio::test(start_paused = true)]
async fn answers_to_a_client_that_does_not_read_are_bounded() {
    let mut peer = begin(256, Logged::CHECKED_DECLARATION.options, Logged).await;
    assert_eq!(peer.event().await, "open");
    for number in 0..2_000 {
        peer.send_object(&format!("{{\"ping\":{number}}}")).await;
    }
    let mut pongs = 0;
    loop {
        let pong = peer.object("pong").await;
        pongs += 1;
        if pong == 1_999 {
            break;
        }
    }
    // What the stream holds, the frame that waits for it, and the last one.
    assert!(pongs < 40, "{pongs} answers had waited");
}

/// What the client lacks is sent, however little its connection takes at a time.
#[tokio::test(start_paused = true)]
async fn replay_needs_no_further_message_of_the_handler() {
    #[websocket(session, ping_interval = none, idle_timeout = none)]
    struct Count(#[allow(dead_code)] Log);
    #[websocket]
    impl Count {
        #[on_open]
        fn open(&mut self) -> Vec<String> {
            (0..100).map(|number| number.to_string()).collect()
        }
    }
    let mut peer = begin(1 << 16, Count::CHECKED_DECLARATION.options, Count).await;
    sleep(S).await;
    peer.cut();
    sleep(S).await;
    // The handler has nothing more to send, and the stream takes 64 bytes.
    peer.shrink(64);
    assert!(peer.resume().await);
    for number in 0..100 {
        let text = timeout(60 * S, peer.text()).await.expect("the session stands still");
        assert_eq!(text, number.to_string());
    }
}

/// A client that has closed acknowledges nothing more.
#[tokio::test(start_paused = true)]
async fn close_frame_passes_a_full_buffer() {
    #[websocket(session(buffer = 1KiB), ping_interval = none)]
    struct Much(#[allow(dead_code)] Log);
    #[websocket]
    impl Much {
        #[on_open]
        fn open(&mut self) -> Vec<String> {
            vec!["x".repeat(500); 4]
        }
        #[on_text]
        fn text(&mut self, _: &str) -> Close {
            Close::new(4000, "bye")
        }
    }
    for by_client in [true, false] {
        let mut peer = begin(1 << 16, Much::CHECKED_DECLARATION.options, Much).await;
        peer.text().await;
        let start = Instant::now();
        if by_client {
            peer.raw(&frame(0x88, &1000_u16.to_be_bytes())).await;
        } else {
            peer.send("close").await;
        }
        let close = loop {
            match peer.read().await {
                Read::Text(_) => {}
                close => break close,
            }
        };
        assert_eq!(close, Read::Close(if by_client { 1000 } else { 4000 }));
        assert_eq!(peer.received, 4, "what was sent before the close precedes it");
        assert!(start.elapsed() < S);
    }
}

/// A session that closes while no connection carries ends at once, and cannot be resumed.
#[tokio::test(start_paused = true)]
async fn handler_that_closes_without_a_connection_ends_at_once() {
    #[websocket(session, ping_interval = none)]
    struct Brief(Log);
    #[websocket]
    impl Brief {
        #[on_detach]
        fn detach(&mut self) {
            self.0.send("detach".into()).unwrap();
        }
        #[after(2s)]
        fn end(&mut self) -> Close {
            Close::new(4000, "bye")
        }
        #[on_close]
        fn close(&mut self, _: &CloseReason) {
            self.0.send("close".into()).unwrap();
        }
    }
    let mut peer = begin(1 << 10, Brief::CHECKED_DECLARATION.options, Brief).await;
    let start = Instant::now();
    peer.cut();
    for event in ["detach", "close", "handler dropped"] {
        assert_eq!(peer.event().await, event);
    }
    timeout(Duration::from_millis(10), peer.connections.wait_empty()).await.expect("no client is waited for");
    assert!(!peer.resume().await && peer.sessions.len() == 0);
    assert_eq!(start.elapsed().as_secs(), 2);
}

/// A panic in `#[on_detach]` is a close like others.
#[tokio::test(start_paused = true)]
async fn panic_in_on_detach_ends_the_session_at_once() {
    #[websocket(session, ping_interval = none)]
    struct Panics(Log);
    #[websocket]
    impl Panics {
        #[on_detach]
        fn detach(&mut self) {
            panic!("on purpose");
        }
        #[on_close]
        fn close(&mut self, reason: &CloseReason) {
            self.0.send(format!("{reason:?}")).unwrap();
        }
    }
    let mut peer = begin(1 << 10, Panics::CHECKED_DECLARATION.options, Panics).await;
    peer.cut();
    assert!(peer.event().await.starts_with("Panic"));
    assert_eq!(peer.event().await, "handler dropped");
    timeout(Duration::from_millis(10), peer.connections.wait_empty()).await.expect("no client is waited for");
    assert!(!peer.resume().await && peer.sessions.len() == 0);
}

/// A client that closes and disconnects at once leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn client_that_does_not_wait_for_the_answer_to_its_close_ends_the_session() {
    let mut peer = begin(1 << 10, Logged::CHECKED_DECLARATION.options, Logged).await;
    assert_eq!(peer.event().await, "open");
    peer.raw(&frame(0x88, &1000_u16.to_be_bytes())).await;
    peer.cut();
    assert!(peer.event().await.starts_with("Remote("));
    assert_eq!(peer.event().await, "handler dropped");
    timeout(Duration::from_millis(10), peer.connections.wait_empty()).await.expect("no client is waited for");
    assert_eq!(peer.sessions.len(), 0);
}

/// An error is found, and told, also while the engine reads nothing because the buffer is full.
#[tokio::test(start_paused = true)]
async fn malformed_object_behind_a_full_buffer_ends_the_session_with_1002() {
    #[websocket(session(buffer = 1KiB), outbox_high_water = 500, ping_interval = none)]
    struct Much(Log);
    #[websocket]
    impl Much {
        #[on_open]
        fn open(&mut self) -> Vec<String> {
            vec!["x".repeat(500); 8]
        }
        #[on_close]
        fn close(&mut self, reason: &CloseReason) {
            self.0.send(format!("{reason:?}")).unwrap();
        }
    }
    let mut peer = begin(1 << 16, Much::CHECKED_DECLARATION.options, Much).await;
    peer.text().await;
    peer.send_object("{}").await;
    assert!(peer.event().await.starts_with("Protocol(BadFrame("));
    let close = loop {
        match peer.read().await {
            Read::Text(_) => {}
            close => break close,
        }
    };
    assert_eq!(close, Read::Close(1002));
}

/// A message counts as sent for each connection anew, so that no client skips what it has not read.
#[tokio::test(start_paused = true)]
async fn acknowledgement_of_what_only_an_earlier_connection_has_sent_is_an_error() {
    #[websocket(session, ping_interval = none)]
    struct Large(Log);
    #[websocket]
    impl Large {
        #[on_open]
        fn open(&mut self) -> String {
            "x".repeat(500)
        }
        #[on_close]
        fn close(&mut self, reason: &CloseReason) {
            self.0.send(format!("{reason:?}")).unwrap();
        }
    }
    let mut peer = begin(1 << 16, Large::CHECKED_DECLARATION.options, Large).await;
    peer.text().await;
    peer.cut();
    peer.received = 0;
    // Half of the message fits into the stream.
    peer.shrink(256);
    assert!(peer.resume().await);
    sleep(S).await;
    peer.send_object("{\"ack\":1}").await;
    assert!(peer.event().await.starts_with("Protocol(BadFrame("));
}

/// A client that sends and does not read is not read for ever.
#[tokio::test(start_paused = true)]
async fn messages_of_a_client_that_does_not_read_are_bounded() {
    #[websocket(
        session(buffer = 1KiB), outbox_high_water = 1KiB, ping_interval = none, idle_timeout = none,
    )]
    struct Echo(#[allow(dead_code)] Log);
    #[websocket]
    impl Echo {
        #[on_text]
        fn text(&mut self, text: &str) -> String {
            text.into()
        }
    }
    let mut peer = begin(512, Echo::CHECKED_DECLARATION.options, Echo).await;
    let text = "x".repeat(500);
    let mut sent = 0;
    while sent < 2_000_000 && timeout(S, peer.raw(&frame(0x81, text.as_bytes()))).await.is_ok() {
        sent += text.len();
    }
    assert!(sent < 300_000, "{sent} bytes were read");
}

/// A ping that arrives while an earlier answer waits is answered too.
#[tokio::test(start_paused = true)]
async fn last_ping_is_answered() {
    #[websocket(session, ping_interval = none)]
    struct Large(#[allow(dead_code)] Log);
    #[websocket]
    impl Large {
        #[on_open]
        fn open(&mut self) -> String {
            "x".repeat(500)
        }
    }
    let mut peer = begin(256, Large::CHECKED_DECLARATION.options, Large).await;
    for number in [1, 2] {
        peer.send_object(&format!("{{\"ping\":{number}}}")).await;
        sleep(S).await;
    }
    peer.text().await;
    for number in [1, 2] {
        assert_eq!(peer.object("pong").await, number);
    }
}

/// Objects that give the engine nothing do not keep a message behind them.
#[tokio::test(start_paused = true)]
async fn message_behind_many_objects_is_handled() {
    let mut peer = begin(1 << 22, Logged::CHECKED_DECLARATION.options, Logged).await;
    let later = format!("{{\"later\":\"{}\"}}", "x".repeat(60_000));
    for _ in 0..40 {
        peer.send_object(&later).await;
    }
    peer.send("one").await;
    assert_eq!(timeout(S, peer.text()).await.expect("the message waits"), "re: one");
}
