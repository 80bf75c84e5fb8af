//! Timers: slow clients, cancellation and order.

use super::*;

/// Handler that sends more than the client buffers, and reports how much is buffered.
#[websocket]
#[derive(Default)]
struct Talkative;

#[websocket]
impl Talkative {
    #[on_text]
    fn text(&mut self, _: &str) -> [Vec<u8>; 2] {
        [vec![0; 300 << 10], vec![0; 300 << 10]]
    }

    #[every(1s)]
    fn tick(&mut self, cx: &mut Context<Self>) -> String {
        cx.buffered().to_string()
    }
}

#[tokio::test]
async fn timers_run_while_the_client_does_not_read() {
    let mut client = TestClient::open(Talkative).await;
    client.send("x").await;
    client.advance(2 * S).await;
    assert_eq!((client.binary().await.len(), client.binary().await.len()), (300 << 10, 300 << 10));
    for _ in 0..2 {
        let waited: usize = client.text().await.parse().unwrap();
        assert!(waited > 300 << 10, "{waited}");
    }
}

#[websocket(read_ahead = 100B)]
#[derive(Default)]
struct Ahead;

#[websocket]
impl Ahead {
    #[on_text]
    async fn text(&mut self, _: &str) {
        tokio::time::sleep(S).await;
    }
}

#[tokio::test]
async fn pings_wait_beyond_read_ahead() {
    let mut client = TestClient::open(Ahead).await;
    client.send("x").await;
    client.ping("a").await;
    assert_eq!(client.ponged().await, "a");
    client.send("x".repeat(100)).await;
    client.ping("b").await;
    client.expect_nothing().await;
    client.advance(3 * S).await;
    assert_eq!(client.ponged().await, "b");
}

#[websocket]
#[derive(Default)]
struct Cancels(Vec<TimerId>);

#[websocket]
impl Cancels {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.0 = vec![cx.send_after(S, Info("one")), cx.send_after(S, Info("two"))];
    }

    #[on_info]
    fn info(&mut self, Info(what): Info, cx: &mut Context<Self>) -> String {
        format!("{what} {} {}", cx.cancel(self.0[0]), cx.cancel(self.0[1]))
    }
}

#[tokio::test]
async fn due_timer_can_be_cancelled() {
    let mut client = TestClient::open(Cancels::default()).await;
    client.advance(2 * S).await;
    assert_eq!(client.text().await, "one false true");
    client.expect_nothing().await;
}

/// Handler with several timers at ten seconds, half of the idle timeout.
#[websocket(idle_timeout = 20s)]
#[derive(Default)]
struct Prompt;

#[websocket]
impl Prompt {
    #[on_open]
    fn open(&self, cx: &mut Context<Self>) {
        cx.send_after(10 * S, Info("set first"));
        cx.send_after(10 * S, Info("set second"));
        cx.send_after(4 * S, Info("soon"));
    }

    #[every(Duration::from_secs(5))]
    fn tick(&self) -> &'static str {
        "tick"
    }

    #[after(10s)]
    fn once(&self) -> &'static str {
        "once"
    }

    #[every(S)]
    async fn second(&self) {}

    #[on_text]
    async fn text(&self, _: &mut Context<Self>, _: &str) {
        tokio::time::sleep(7 * S).await;
    }

    #[on_info]
    fn info(&self, _: &mut Context<Self>, Info(what): Info) -> &'static str {
        what
    }
}

#[tokio::test]
async fn runs_due_timers_in_order() {
    let mut client = TestClient::open(Prompt).await;
    client.advance(10 * S).await;
    for expect in ["soon", "tick", "tick", "once", "set first", "set second"] {
        assert_eq!(client.text().await, expect);
    }
    // The idle timeout is due at the fourth tick, and final after one more read of the socket.
    client.advance(10 * S).await;
    assert_eq!((client.text().await, client.text().await), ("tick".into(), "tick".into()));
    assert_eq!(client.closed().await.code, CloseCode::Away);
    assert_eq!(client.close_reason().await, CloseReason::Timeout);

    // After a long method, timers run in the order of their deadlines.
    let mut client = TestClient::open(Prompt).await;
    client.send("work").await;
    client.advance(7 * S).await;
    assert_eq!((client.text().await, client.text().await), ("soon".into(), "tick".into()));
}
