//! Flow control: mailbox, outbox, read-ahead and timeouts are bounded.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

use super::peer::{Log, Peer, connect, connect_with, frame, options};
use crate::clock::now;
use crate::prelude::*;

#[derive(Clone, Debug, PartialEq)]
enum Order {
    Active(bool),
    Send(String),
    Hold(Duration),
    MaxMessage(usize),
    Idle(Duration),
}

/// Handler that echoes, and follows commands from its mailbox.
#[websocket(mailbox = 4, idle_timeout = 10s)]
struct Handler {
    log: Log,
    addr: std::sync::mpsc::Sender<Addr<Self>>,
}

#[websocket]
impl Handler {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.addr.send(cx.addr()).unwrap();
    }

    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }

    #[on_info]
    async fn order(&mut self, order: Order, cx: &mut Context<Self>) -> Option<String> {
        match order {
            Order::Active(active) => cx.set_active(active),
            Order::Send(text) => return Some(text),
            Order::Hold(time) => sleep(time).await,
            Order::MaxMessage(bytes) => cx.set_max_message_size(bytes),
            Order::Idle(time) => cx.set_idle_timeout(time),
        }
        None
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.log.send(format!("{reason:?}")).unwrap();
    }
}

async fn start(change: impl FnOnce(&mut crate::Options)) -> (Peer, Addr<Handler>) {
    let (addr, addrs) = std::sync::mpsc::channel();
    let mut peer = connect_with(64, options::<Handler>(change), |log| Handler { log, addr });
    peer.send("ready").await;
    assert_eq!(peer.text().await, "ready");
    (peer, addrs.recv().unwrap())
}

/// Returns the number of bytes that the server takes until it stops reading, up to `bytes`.
async fn bytes_taken(peer: &mut Peer, bytes: usize) -> usize {
    let message = frame(0x81, &[b'x'; 100]);
    let mut sent = 0;
    while sent < bytes {
        match timeout(Duration::from_millis(100), peer.io.write(&message[sent % message.len()..])).await {
            Ok(written) => sent += written.unwrap(),
            Err(_) => return sent,
        }
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn mailbox_is_bounded_and_closes_with_the_connection() {
    let (mut peer, addr) = start(|_| {}).await;
    let recipient = addr.recipient::<Order>();
    addr.send(Order::Hold(Duration::from_secs(1))).unwrap();
    tokio::task::yield_now().await;
    for n in 0..4 {
        addr.send(Order::Send(n.to_string())).unwrap();
    }
    let full = addr.send(Order::Send("4".into()));
    assert_eq!(full, Err(SendError::Full(Order::Send("4".into()))));
    for n in 0..4 {
        assert_eq!(peer.text().await, n.to_string());
    }
    recipient.send(Order::Send("by type".into())).unwrap();
    assert_eq!(peer.text().await, "by type");
    assert!(addr.is_open());
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(addr.send(Order::Active(true)), Err(SendError::Closed(Order::Active(true))));
    assert!(!addr.is_open() && recipient.send(Order::Active(true)).unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn accepted_messages_are_handled_before_a_shutdown() {
    let (mut peer, addr) = start(|_| {}).await;
    addr.send(Order::Hold(Duration::from_secs(3))).unwrap();
    addr.send(Order::Send("not lost".into())).unwrap();
    tokio::task::yield_now().await;
    peer.connections.shut_down(now() + Duration::from_secs(5));
    assert_eq!(peer.text().await, "not lost");
    assert_eq!(peer.closed().await, 1001);
}

#[tokio::test(start_paused = true)]
async fn stuck_method_does_not_outlive_the_shutdown_timeout() {
    let (mut peer, addr) = start(|options| options.idle_timeout = None).await;
    addr.send(Order::Hold(Duration::from_secs(3600))).unwrap();
    tokio::task::yield_now().await;
    let start = Instant::now();
    peer.connections.shut_down(now() + Duration::from_secs(5));
    assert_eq!(peer.closed().await, 1001);
    assert!((5..7).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_eq!(peer.events().await, ["Shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn reading_can_be_paused_and_resumed() {
    if super::HAS_SESSION {
        return; // The bytes that fit into the streams.
    }
    let (mut peer, addr) = start(|_| {}).await;
    addr.send(Order::Active(false)).unwrap();
    addr.send(Order::Send("from the mailbox".into())).unwrap();
    assert_eq!(peer.text().await, "from the mailbox");
    let sent = bytes_taken(&mut peer, 10_000).await;
    assert!(sent < 100, "the client could send {sent} bytes");
    assert!(peer.is_silent(Duration::from_millis(100)).await);
    addr.send(Order::Active(true)).unwrap();
    peer.raw(&frame(0x81, &[b'x'; 100])[sent..]).await;
    assert_eq!(peer.text().await.len(), 100, "nothing is lost");
}

/// Handler that stops reading while messages of the same read remain.
#[websocket]
#[derive(Default)]
struct Pauser;

struct Resume;

#[websocket]
impl Pauser {
    #[on_text]
    fn text(&mut self, text: &str, cx: &mut Context<Self>) -> String {
        if text == "pause" {
            cx.set_active(false);
            cx.send_after(Duration::from_secs(1), Resume);
        }
        text.to_owned()
    }

    #[on_info]
    fn resume(&mut self, _: Resume, cx: &mut Context<Self>) -> &'static str {
        cx.set_active(true);
        "resumed"
    }
}

#[tokio::test(start_paused = true)]
async fn paused_reading_holds_messages_of_the_same_read() {
    let mut peer = connect_with(1 << 10, options::<Pauser>(|_| {}), |_| Pauser);
    peer.raw(&[frame(0x81, b"pause"), frame(0x81, b"held"), frame(0x81, b"too")].concat()).await;
    for expect in ["pause", "resumed", "held", "too"] {
        assert_eq!(peer.text().await, expect);
    }
}

#[tokio::test(start_paused = true)]
async fn input_is_bounded_while_a_method_is_pending() {
    if super::HAS_SESSION {
        return; // The bytes that fit into the streams.
    }
    let (mut peer, addr) = start(|options| options.read_ahead = 1000).await;
    addr.send(Order::Hold(Duration::from_secs(3))).unwrap();
    sleep(Duration::from_millis(300)).await;
    let sent = bytes_taken(&mut peer, 100_000).await;
    assert!((800..2000).contains(&sent), "the client could send {sent} bytes");
    for _ in 0..sent / 106 {
        assert_eq!(peer.text().await.len(), 100, "nothing is lost");
    }
}

#[tokio::test(start_paused = true)]
async fn server_does_not_read_from_a_client_that_does_not_read() {
    if super::HAS_SESSION {
        return; // The bytes that fit into the streams.
    }
    let (mut peer, _addr) = start(|options| options.outbox_high_water = 1000).await;
    let sent = bytes_taken(&mut peer, 100_000).await;
    // The streams between the two buffer some of the bytes.
    let expect = if super::MANAGED_TRANSPORT { 64..400 } else { 1000..2000 };
    assert!(expect.contains(&sent), "the client could send {sent} bytes");
    for _ in 0..sent / 106 {
        assert_eq!(peer.text().await.len(), 100, "nothing is lost");
    }
}

#[tokio::test(start_paused = true)]
async fn outbox_of_a_slow_reader_overflows() {
    if super::HAS_SESSION {
        return; // The bytes that fit into the streams.
    }
    let (mut peer, addr) = start(|options| options.outbox_limit = 5000).await;
    for n in 0..100 {
        if addr.send(Order::Send("x".repeat(200))).is_err() {
            assert!((25..30).contains(&n), "closed after {n} messages");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.event().await, "Overflow");
}

#[tokio::test(start_paused = true)]
async fn one_message_may_exceed_the_outbox_limit() {
    let (mut peer, addr) = start(|options| options.outbox_limit = 5000).await;
    addr.send(Order::Send("x".repeat(50_000))).unwrap();
    tokio::task::yield_now().await;
    addr.send(Order::Send("after it".into())).unwrap();
    assert_eq!(peer.text().await.len(), 50_000);
    assert_eq!(peer.text().await, "after it");
}

#[tokio::test(start_paused = true)]
async fn bytes_reset_the_idle_timeout_and_mailbox_messages_do_not() {
    if super::HAS_SESSION {
        return; // The idle timeout detaches.
    }
    let (mut peer, addr) = start(|_| {}).await;
    let start = Instant::now();
    sleep(Duration::from_secs(6)).await;
    // Half a header is enough.
    peer.raw(&[0x89]).await;
    for _ in 0..9 {
        sleep(Duration::from_secs(1)).await;
        addr.send(Order::Send("news".into())).unwrap();
        assert_eq!(peer.text().await, "news");
    }
    assert_eq!(peer.event().await, "Timeout");
    assert_eq!(start.elapsed().as_secs(), 16);
    assert_eq!(peer.closed().await, 1001);
}

#[tokio::test(start_paused = true)]
async fn changed_options_apply_at_once() {
    if super::HAS_SESSION {
        return; // The idle timeout detaches.
    }
    let (mut peer, addr) = start(|_| {}).await;
    addr.send(Order::MaxMessage(10)).unwrap();
    addr.send(Order::Idle(Duration::from_secs(2))).unwrap();
    let before = Instant::now();
    assert_eq!(peer.closed().await, 1001);
    assert_eq!(before.elapsed().as_secs(), 2);

    let (mut peer, addr) = start(|_| {}).await;
    addr.send(Order::MaxMessage(10)).unwrap();
    tokio::task::yield_now().await;
    peer.send("12345678901").await;
    assert_eq!(peer.closed().await, 1009);
}

#[tokio::test(start_paused = true)]
async fn changed_idle_timeout_starts_anew() {
    if super::HAS_SESSION {
        return; // The idle timeout detaches.
    }
    let (mut peer, addr) = start(|_| {}).await;
    sleep(Duration::from_secs(5)).await;
    addr.send(Order::Idle(Duration::from_secs(6))).unwrap();
    let before = Instant::now();
    assert_eq!(peer.closed().await, 1001);
    assert_eq!(before.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_changed_by_a_pending_method_applies_at_once() {
    if super::HAS_SESSION {
        return; // The idle timeout detaches.
    }
    #[websocket(idle_timeout = 1h)]
    struct Waiter(Log);

    #[websocket]
    impl Waiter {
        #[on_open]
        async fn open(&mut self, cx: &mut Context<Self>) {
            cx.set_idle_timeout(Duration::from_secs(2));
            std::future::pending::<()>().await;
        }

        #[on_close]
        fn close(&mut self, reason: &CloseReason) {
            self.0.send(format!("{reason:?}")).unwrap();
        }
    }

    let start = Instant::now();
    let mut peer = connect(Waiter);
    assert_eq!(peer.closed().await, 1001);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(peer.events().await, ["Timeout"]);
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_changed_by_a_message_applies_at_once() {
    if super::HAS_SESSION {
        return; // The idle timeout detaches.
    }
    #[websocket(idle_timeout = 1h)]
    struct Commanded;

    #[websocket]
    impl Commanded {
        #[on_text]
        fn text(&mut self, secs: &str, cx: &mut Context<Self>) -> &'static str {
            if let Ok(secs) = secs.parse() {
                cx.set_idle_timeout(Duration::from_secs(secs));
            }
            "done"
        }
    }

    let mut peer = connect(|_| Commanded);
    // The timer is armed for one hour, then for an earlier deadline, which a message postpones, and then for
    // an even earlier one.
    for text in ["hello", "30", "hello", "2"] {
        peer.send(text).await;
        assert_eq!(peer.text().await, "done");
        sleep(Duration::from_secs(1)).await;
    }
    let before = Instant::now();
    assert_eq!(peer.closed().await, 1001);
    assert_eq!(before.elapsed().as_secs(), 1);
}
