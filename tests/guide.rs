//! Statements of the guide that its programs do not show.

#[path = "guide/chapters.rs"]
mod chapters;
#[path = "guide/close_texts.rs"]
mod close_texts;
#[path = "guide/readme.rs"]
mod readme;
#[path = "guide/timers.rs"]
mod timers;

use std::sync::{Arc, Mutex};

use ws_core::prelude::*;
use ws_core::test::TestClient;

const S: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    #[track_caller]
    fn check(&self, expect: &[&str]) {
        assert_eq!(*self.0.lock().unwrap(), expect);
    }
}

struct Info(&'static str);

/// Handler that works on each message for a hundred seconds.
#[websocket(idle_timeout = 10s)]
struct Busy(Log);

#[websocket]
impl Busy {
    #[on_text]
    async fn work(&mut self, text: &str, cx: &mut Context<Self>) {
        self.0.note(format!("begin {text}"));
        match text {
            "close" => cx.close(4000),
            "flood" => (0..40).for_each(|_| cx.send(vec![0; 64 << 10])),
            _ => {}
        }
        tokio::time::sleep(100 * S).await;
        self.0.note(format!("end {text}"));
    }

    #[on_info]
    fn info(&mut self, Info(what): Info, cx: &mut Context<Self>) {
        self.0.note(what);
        if what == "close" {
            cx.close(1000);
        }
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.note(reason.to_string());
        assert!(!matches!(reason, CloseReason::ConnectionLost(_)), "a panic in `#[on_close]`");
    }
}

async fn busy() -> (TestClient<Busy>, Log) {
    let log = Log::default();
    (TestClient::open(Busy(log.clone())).await, log)
}

#[tokio::test]
async fn idle_timeout_ends_a_pending_method() {
    let (mut client, log) = busy().await;
    client.send("it").await;
    client.advance(12 * S).await;
    log.check(&["begin it", "idle timeout"]);
}

#[tokio::test]
async fn method_continues_after_its_close() {
    let (mut client, log) = busy().await;
    client.send("close").await;
    assert_eq!(client.closed().await.code, CloseCode::Library(4000));
    client.abort().await;
    client.advance(101 * S).await;
    log.check(&["begin close", "end close", "closed by the handler: 4000"]);
}

#[tokio::test]
async fn method_that_overflowed_ends_with_tcp() {
    let (mut client, log) = busy().await;
    client.send("flood").await;
    client.advance(6 * S).await;
    log.check(&["begin flood", "client reads too slowly"]);
}

#[tokio::test]
async fn handles_accepted_messages_before_the_end() {
    // After a close by the client, accepted messages are handled.
    let (mut client, log) = busy().await;
    client.addr().send(Info("a")).unwrap();
    client.close(1000).await;
    log.check(&["a", "closed by the client: 1000"]);
    // After a close by the handler, accepted messages are dropped.
    let (mut client, log) = busy().await;
    for what in ["a", "close", "b"] {
        client.addr().send(Info(what)).unwrap();
    }
    client.advance(S).await;
    log.check(&["a", "close", "closed by the handler: 1000"]);
    // A method exceeds `cancel_timeout` after the end: the queued messages are dropped with it.
    let (mut client, log) = busy().await;
    client.send("it").await;
    client.addr().send(Info("a")).unwrap();
    client.close(1000).await;
    client.advance(2 * S).await;
    log.check(&["begin it", "closed by the client: 1000"]);
}

#[tokio::test]
async fn panic_in_on_close_does_not_change_the_reason() {
    let (mut client, log) = busy().await;
    client.abort().await;
    assert!(matches!(client.close_reason().await, CloseReason::ConnectionLost(_)));
    assert_eq!(log.0.lock().unwrap().len(), 1);
}

/// Handler that panics in `#[on_close]`, before or after an `.await`.
#[websocket]
struct PanicsInOnClose(Log, bool);

#[websocket]
impl PanicsInOnClose {
    #[on_close]
    async fn close(&mut self) {
        self.0.note("close");
        if self.1 {
            tokio::time::sleep(S).await;
        }
        panic!("in `#[on_close]`");
    }
}

impl Drop for PanicsInOnClose {
    fn drop(&mut self) {
        self.0.note("drop");
    }
}

#[tokio::test]
async fn panic_in_on_close_still_ends_the_connection() {
    for waits in [false, true] {
        let log = Log::default();
        let mut client = TestClient::open(PanicsInOnClose(log.clone(), waits)).await;
        client.close(4000).await;
        assert_eq!(client.closed().await.code, CloseCode::Library(4000));
        assert_eq!(client.close_reason().await, CloseReason::Remote(Some(Close::from(4000))));
        log.check(&["close", "drop"]);
    }
}

#[websocket]
struct Failing(Log);

#[websocket]
impl Failing {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.send_after(S, Info("panic"));
    }

    #[on_text]
    fn text(&mut self, _: &str, cx: &mut Context<Self>) -> Result<(), &'static str> {
        cx.close(4000);
        Err("after the close")
    }

    #[on_info]
    fn info(&mut self, Info(what): Info) {
        panic!("{what}");
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) -> &'static str {
        self.0.note(error.to_string());
        "unheard"
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.note(reason.to_string());
    }
}

#[tokio::test]
async fn keeps_the_close_of_a_method_that_fails() {
    let log = Log::default();
    let mut client = TestClient::open(Failing(log.clone())).await;
    client.send("x").await;
    assert_eq!(client.closed().await.code, CloseCode::Library(4000));
    client.expect_nothing().await;
    log.check(&["after the close", "closed by the handler: 4000"]);
}

#[websocket]
struct PanicsInOnOpen(Log);

#[websocket]
impl PanicsInOnOpen {
    #[on_open]
    fn open(&mut self) {
        panic!("at once");
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.note(reason.to_string());
    }
}

#[tokio::test]
async fn on_close_runs_even_if_on_open_panics() {
    let log = Log::default();
    TestClient::open(PanicsInOnOpen(log.clone())).await.close_reason().await;
    log.check(&["handler panicked: at once"]);
}

/// Handler whose method and `#[on_error]` both fail.
#[websocket(unhandled = close)]
#[derive(Default)]
struct FailsInOnError;

#[websocket]
impl FailsInOnError {
    #[every(5s)]
    fn fail(&mut self) -> Result<(), &'static str> {
        Err("first")
    }

    #[on_error]
    fn error(&mut self, _: &HandlerError) -> Result<(), &'static str> {
        Err("second")
    }
}

#[tokio::test]
async fn answers_pings_and_closes_on_error_in_on_error() {
    let mut client = TestClient::open(FailsInOnError).await;
    client.ping("x").await;
    assert_eq!(client.ponged().await, "x");
    client.pong("y").await;
    client.expect_nothing().await;
    client.advance(5 * S).await;
    let expect = CloseReason::Error { code: CloseCode::Error, message: "second".into() };
    assert_eq!(client.close_reason().await, expect);
}

#[tokio::test]
async fn paths_match_exactly() {
    let paths = ["/chat", "/chat/{room}", "/files/{*path}"];
    let router = paths.iter().fold(Router::new(), |router, path| router.mount_at::<FailsInOnError>(path));
    let app: axum::Router =
        axum::Router::new().nest_service("/live", router.clone()).fallback_service(router);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    for (path, there) in [
        ("/chat", true),
        ("/chat/", false),
        ("/Chat", false),
        ("/chat/lobby", true),
        ("/chat/a/b", false),
        ("/files", false),
        ("/files/", false),
        ("/files/a/b", true),
        ("/live/chat", true),
        ("/live", false),
    ] {
        let connected = tokio_tungstenite::connect_async(format!("ws://{addr}{path}")).await;
        assert_eq!(connected.is_ok(), there, "{path}");
    }
}

#[test]
#[should_panic(expected = "cannot mount")]
fn refuses_ambiguous_paths() {
    let _: Router = Router::new().mount_at::<FailsInOnError>("/{a}").mount_at::<FailsInOnError>("/{b}");
}
