//! Deferred replies and spawned futures: order, limits, and the end of the connection.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::peer::{Log, connect, connect_with, options};
use crate::clock::now;
use crate::prelude::*;

/// Tells the log when it is dropped.
struct Guard(Log, &'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(format!("{} dropped", self.1));
    }
}

struct Loaded(u64);

/// The text is the seconds after which the reply is ready, or the name of another kind of future.
#[websocket(idle_timeout = none, ping_interval = none, max_deferred = 3)]
struct Work(Log);

#[websocket]
impl Work {
    #[on_text]
    fn text(&mut self, text: String) -> Result<Deferred<Result<String, &'static str>>, &'static str> {
        let guard = Guard(self.0.clone(), "future");
        Ok(Deferred::new(async move {
            match text.as_str() {
                "fail" => return Err("no luck"),
                "panic" => panic!("out of order"),
                "forever" => pending().await,
                seconds => sleep(Duration::from_secs(seconds.parse().unwrap())).await,
            }
            drop(guard);
            Ok(text)
        }))
    }

    /// Loads a number a second later.
    #[on_binary]
    fn load(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        let number = bytes.len() as u64;
        cx.spawn(async move {
            sleep(Duration::from_secs(1)).await;
            Loaded(number)
        });
    }

    #[on_info]
    fn loaded(&mut self, Loaded(number): Loaded, cx: &mut Context<Self>) -> String {
        format!("loaded {number}, {} left", cx.deferred())
    }

    /// Keeps the handler busy for ten seconds.
    #[on_ping]
    async fn busy(&mut self) {
        sleep(Duration::from_secs(10)).await;
        self.0.send("free".into()).unwrap();
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

const PING: &[u8] = &[0x89, 0x80, 0, 0, 0, 0];

#[tokio::test(start_paused = true)]
async fn replies_are_sent_in_the_order_in_which_they_are_ready() {
    let mut peer = connect(Work);
    for seconds in ["3", "1", "2"] {
        peer.send(seconds).await;
    }
    for seconds in ["1", "2", "3"] {
        assert_eq!(peer.text().await, seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn output_of_a_spawned_future_goes_to_on_info() {
    let mut peer = connect(Work);
    peer.raw(&super::peer::frame(0x82, b"1234567")).await;
    assert_eq!(peer.text().await, "loaded 7, 0 left");
}

#[tokio::test(start_paused = true)]
async fn error_of_a_deferred_reply_goes_to_on_error() {
    let mut peer = connect(Work);
    peer.send("fail").await;
    assert_eq!(peer.text().await, "no luck");
    peer.send("0").await;
    assert_eq!(peer.text().await, "0");
}

#[tokio::test(start_paused = true)]
async fn one_future_more_than_the_limit_is_an_error() {
    let mut peer = connect(Work);
    for _ in 0..3 {
        peer.send("5").await;
    }
    peer.send("0").await;
    let refused = "as many futures run as `max_deferred` allows";
    assert_eq!(peer.text().await, refused);
    peer.raw(&super::peer::frame(0x82, b"1")).await;
    assert_eq!(peer.text().await, refused);
    for _ in 0..3 {
        assert_eq!(peer.text().await, "5");
    }
    peer.send("0").await;
    assert_eq!(peer.text().await, "0");
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_future_closes_its_connection() {
    let mut peer = connect(Work);
    peer.send("panic").await;
    assert_eq!(peer.closed().await, 1011);
    assert_eq!(peer.events().await.last().unwrap(), "Panic(\"out of order\")");
}

#[tokio::test(start_paused = true)]
async fn replies_are_sent_while_a_method_is_pending_and_infos_wait() {
    if super::ONLY_MESSAGES {
        return; // A ping.
    }
    let mut peer = connect(Work);
    let start = Instant::now();
    peer.send("2").await;
    peer.send("fail").await;
    peer.raw(&super::peer::frame(0x82, b"12")).await;
    peer.raw(PING).await;
    let mut texts = Vec::new();
    while texts.len() < 3 {
        let frame = peer.frame().await.unwrap();
        if frame.opcode == 1 {
            texts.push((start.elapsed().as_secs(), String::from_utf8(frame.payload).unwrap()));
        }
    }
    let texts: Vec<_> = texts.iter().map(|(at, text)| (*at, text.as_str())).collect();
    assert_eq!(texts[0], (2, "2"));
    // Either may be handled first. Both need the handler.
    assert!(
        texts.contains(&(10, "loaded 2, 0 left")) || texts.contains(&(10, "loaded 2, 1 left")),
        "{texts:?}"
    );
    assert!(texts.contains(&(0, "no luck")) || texts.contains(&(10, "no luck")), "{texts:?}");
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_future_cancels_a_pending_method() {
    if super::ONLY_MESSAGES {
        return; // A ping.
    }
    let mut peer = connect(Work);
    let start = Instant::now();
    peer.send("1").await;
    peer.raw(PING).await;
    peer.frame().await.unwrap();
    assert_eq!(peer.text().await, "1");
    drop(peer);
    let mut peer = connect(PanicBesideMethod);
    peer.send("both").await;
    assert_eq!(peer.closed().await, 1011);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Defers a panic, and then waits in a method.
#[websocket(idle_timeout = none, ping_interval = none)]
struct PanicBesideMethod(#[allow(dead_code)] Log);

#[websocket]
impl PanicBesideMethod {
    #[on_text]
    async fn text(&mut self, _: &str, cx: &mut Context<Self>) {
        let late: Deferred<()> = Deferred::new(async {
            sleep(Duration::from_secs(1)).await;
            panic!("beside a method");
        });
        cx.send(late);
        pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn futures_are_cancelled_when_the_client_closes() {
    let mut peer = connect(Work);
    peer.send("forever").await;
    tokio::task::yield_now().await;
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    let events = peer.events().await;
    let has = |start: &str| events.iter().any(|event| event.starts_with(start));
    assert!(events.len() == 2 && has("future dropped") && has("Remote(Some"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_futures_and_sends_their_replies() {
    let mut peer = connect(Work);
    peer.send("3").await;
    peer.raw(&super::peer::frame(0x82, b"1")).await;
    sleep(Duration::from_millis(100)).await;
    peer.connections.shut_down(now() + Duration::from_secs(5));
    assert_eq!(peer.text().await, "loaded 1, 1 left");
    assert_eq!(peer.text().await, "3");
    assert_eq!(peer.closed().await, 1001);
}

#[tokio::test(start_paused = true)]
async fn futures_do_not_outlive_the_deadline_of_a_shutdown() {
    let mut peer = connect(Work);
    peer.send("forever").await;
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    peer.connections.shut_down(now() + Duration::from_secs(5));
    assert_eq!(peer.closed().await, 1001);
    assert!((5..7).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(peer.events().await.contains(&"future dropped".to_owned()));
}

/// Defers a reply that is ready at once, again and again.
#[websocket(idle_timeout = none, ping_interval = none, max_control_rate = none)]
struct Busy(#[allow(dead_code)] Log);

struct Again;

#[websocket]
impl Busy {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        for _ in 0..64 {
            cx.spawn(async { Again });
        }
    }

    #[on_info]
    fn again(&mut self, _: Again, cx: &mut Context<Self>) {
        cx.spawn(async { Again });
    }

    #[on_text]
    fn echo(&mut self, text: &str) -> String {
        text.to_owned()
    }
}

#[tokio::test]
async fn futures_that_are_always_ready_do_not_stop_reading() {
    let mut peer = connect_with(1024, options::<Busy>(|_| {}), Busy);
    for text in ["a", "b", "c"] {
        peer.send(text).await;
        assert_eq!(peer.text().await, text);
    }
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
}
