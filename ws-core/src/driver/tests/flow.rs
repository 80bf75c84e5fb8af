//! Everything is bounded, and the client feels it.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

use super::peer::{Log, Peer, connect, connect_with, frame, options};
use crate::clock::now;
use crate::prelude::*;

#[derive(Clone, Debug, PartialEq)]
enum Order {
    Active(bool),
    Say(String),
    Hold(Duration),
    MaxMessage(usize),
    Idle(Duration),
}

/// Echoes, and takes orders through its mailbox.
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
            Order::Say(text) => return Some(text),
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

/// How many bytes the server takes before it pushes back.
async fn taken(peer: &mut Peer, bytes: usize) -> usize {
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
        addr.send(Order::Say(n.to_string())).unwrap();
    }
    let full = addr.send(Order::Say("4".into()));
    assert_eq!(full, Err(SendError::Full(Order::Say("4".into()))));
    for n in 0..4 {
        assert_eq!(peer.text().await, n.to_string());
    }
    recipient.send(Order::Say("by type".into())).unwrap();
    assert_eq!(peer.text().await, "by type");
    assert!(addr.is_open());
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(addr.send(Order::Active(true)), Err(SendError::Closed(Order::Active(true))));
    assert!(!addr.is_open() && recipient.send(Order::Active(true)).unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn accepted_mail_is_handled_before_a_shutdown() {
    let (mut peer, addr) = start(|_| {}).await;
    addr.send(Order::Hold(Duration::from_secs(3))).unwrap();
    addr.send(Order::Say("not lost".into())).unwrap();
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
async fn reading_can_be_turned_off_and_on() {
    let (mut peer, addr) = start(|_| {}).await;
    addr.send(Order::Active(false)).unwrap();
    addr.send(Order::Say("mail goes on".into())).unwrap();
    assert_eq!(peer.text().await, "mail goes on");
    let sent = taken(&mut peer, 10_000).await;
    assert!(sent < 100, "the client could send {sent} bytes");
    assert!(peer.is_silent(Duration::from_millis(100)).await);
    addr.send(Order::Active(true)).unwrap();
    peer.raw(&frame(0x81, &[b'x'; 100])[sent..]).await;
    assert_eq!(peer.text().await.len(), 100, "nothing is lost");
}

/// Stops reading inside the batch that it is handling.
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
async fn reading_off_holds_what_was_read_already() {
    let mut peer = connect_with(1 << 10, options::<Pauser>(|_| {}), |_| Pauser);
    peer.raw(&[frame(0x81, b"pause"), frame(0x81, b"held"), frame(0x81, b"too")].concat()).await;
    for expect in ["pause", "resumed", "held", "too"] {
        assert_eq!(peer.text().await, expect);
    }
}

#[tokio::test(start_paused = true)]
async fn input_is_bounded_while_a_method_is_pending() {
    let (mut peer, addr) = start(|options| options.read_ahead = 1000).await;
    addr.send(Order::Hold(Duration::from_secs(3))).unwrap();
    sleep(Duration::from_millis(300)).await;
    let sent = taken(&mut peer, 100_000).await;
    assert!((800..2000).contains(&sent), "the client could send {sent} bytes");
    for _ in 0..sent / 106 {
        assert_eq!(peer.text().await.len(), 100, "nothing is lost");
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_does_not_read_is_not_read_from() {
    let (mut peer, _addr) = start(|options| options.outbox_high_water = 1000).await;
    let sent = taken(&mut peer, 100_000).await;
    // Some of it waits in the buffers between the two.
    let expect = if super::MANAGED_TRANSPORT { 64..400 } else { 1000..2000 };
    assert!(expect.contains(&sent), "the client could send {sent} bytes");
    for _ in 0..sent / 106 {
        assert_eq!(peer.text().await.len(), 100, "nothing is lost");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_reader_overflows() {
    let (mut peer, addr) = start(|options| options.outbox_limit = 5000).await;
    for n in 0..100 {
        if addr.send(Order::Say("x".repeat(200))).is_err() {
            assert!((25..30).contains(&n), "closed after {n} messages");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.event().await, "Overflow");
}

#[tokio::test(start_paused = true)]
async fn one_message_may_be_larger_than_the_outbox() {
    let (mut peer, addr) = start(|options| options.outbox_limit = 5000).await;
    addr.send(Order::Say("x".repeat(50_000))).unwrap();
    tokio::task::yield_now().await;
    addr.send(Order::Say("behind it".into())).unwrap();
    assert_eq!(peer.text().await.len(), 50_000);
    assert_eq!(peer.text().await, "behind it");
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_is_reset_by_bytes_and_not_by_mail() {
    let (mut peer, addr) = start(|_| {}).await;
    let start = Instant::now();
    sleep(Duration::from_secs(6)).await;
    // Half a header will do.
    peer.raw(&[0x89]).await;
    for _ in 0..9 {
        sleep(Duration::from_secs(1)).await;
        addr.send(Order::Say("news".into())).unwrap();
        assert_eq!(peer.text().await, "news");
    }
    assert_eq!(peer.event().await, "Timeout");
    assert_eq!(start.elapsed().as_secs(), 16);
    assert_eq!(peer.closed().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn options_change_at_once() {
    let (mut peer, addr) = start(|_| {}).await;
    addr.send(Order::MaxMessage(10)).unwrap();
    addr.send(Order::Idle(Duration::from_secs(2))).unwrap();
    let before = Instant::now();
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(before.elapsed().as_secs(), 2);

    let (mut peer, addr) = start(|_| {}).await;
    addr.send(Order::MaxMessage(10)).unwrap();
    tokio::task::yield_now().await;
    peer.send("12345678901").await;
    assert_eq!(peer.closed().await, 1009);
}

#[tokio::test(start_paused = true)]
async fn changed_idle_timeout_starts_again() {
    let (mut peer, addr) = start(|_| {}).await;
    sleep(Duration::from_secs(5)).await;
    addr.send(Order::Idle(Duration::from_secs(6))).unwrap();
    let before = Instant::now();
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(before.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_changed_inside_a_pending_method_counts_at_once() {
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
    assert_eq!(peer.closed().await, 1000);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(peer.events().await, ["Timeout"]);
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_changed_by_what_the_client_says_counts_at_once() {
    #[websocket(idle_timeout = 1h)]
    struct Obedient;

    #[websocket]
    impl Obedient {
        #[on_text]
        fn text(&mut self, secs: &str, cx: &mut Context<Self>) -> &'static str {
            if let Ok(secs) = secs.parse() {
                cx.set_idle_timeout(Duration::from_secs(secs));
            }
            "done"
        }
    }

    let mut peer = connect(|_| Obedient);
    // The clock is set for the hour, then for what comes sooner, which is put off, then for what comes
    // sooner still.
    for say in ["hello", "30", "hello", "2"] {
        peer.send(say).await;
        assert_eq!(peer.text().await, "done");
        sleep(Duration::from_secs(1)).await;
    }
    let before = Instant::now();
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(before.elapsed().as_secs(), 1);
}
