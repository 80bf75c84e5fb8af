//! Requests through a router, and what a test says about the client.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::{Extension, routing::get};
use tests::whoami::{self, Whoami};
use ws_core::prelude::*;
use ws_core::test::TestClient;

use super::{Room, failure};

#[derive(Clone)]
struct User(&'static str);

#[websocket(path = "/users/{room}", ping_interval = 5s)]
struct Member(String);

#[websocket]
impl Member {
    #[on_upgrade]
    fn join(Extension(User(name)): Extension<User>, Path(room): Path<String>, State(id): State<u32>) -> Self {
        Self(format!("{name} ({id}) in {room}"))
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> (String, Option<String>) {
        (self.0.clone(), cx.peer_addr().map(|addr| addr.to_string()))
    }

    #[on_info]
    fn say(&mut self, text: &'static str) -> &'static str {
        text
    }
}

fn router() -> Router {
    let page = axum::Router::new().route("/page", get(async || "a page"));
    let router = Router::new().mount::<Room>().with_state(true).mount_at::<Whoami>("/whoami");
    router.fallback(page)
}

/// The log-in of an app, which knows every user as alice.
async fn log_in(mut request: Request, next: Next) -> axum::response::Response {
    request.extensions_mut().insert(User("alice"));
    next.run(request).await
}

#[tokio::test]
async fn router_finds_the_handler_or_answers() {
    let open = |uri| TestClient::<Room>::upgrade(uri).open_through(router());
    let mut client = open("/rooms/blue%20salon").await.unwrap();
    assert_eq!(client.text().await, "welcome to blue salon");
    client.send("hello").await;
    client.advance(std::time::Duration::from_millis(500)).await;
    assert_eq!(client.text().await, "HELLO");

    let refused = open("/page").await.unwrap_err();
    assert_eq!((refused.status, &*refused.body), (StatusCode::OK, &b"a page"[..]));
    assert_eq!(open("/nowhere").await.unwrap_err().status, StatusCode::NOT_FOUND);
    let foreign = TestClient::<Room>::upgrade("/rooms/lobby").header("origin", "https://evil.example");
    assert_eq!(foreign.open_through(router()).await.unwrap_err().status, StatusCode::FORBIDDEN);
    let full = TestClient::<Room>::upgrade("/rooms/lobby").open_through(router().max_connections(0));
    assert_eq!(full.await.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn layers_of_an_app_run_around_the_handshake() {
    let handlers = Router::new().mount::<Member>().with_state(7);
    let app = axum::Router::new().nest_service("/live", handlers.clone()).layer(from_fn(log_in));
    let addr = SocketAddr::from(([192, 0, 2, 1], 443));
    let request = TestClient::<Member>::upgrade("/live/users/lobby").peer_addr(addr);
    let mut client = request.open_through(app).await.unwrap();
    assert_eq!(client.text().await, "alice (7) in lobby");
    assert_eq!(client.text().await, "192.0.2.1:443");
    client.info("news").await;
    assert_eq!(client.text().await, "news");
    client.addr().send("more").unwrap();
    assert_eq!(client.text().await, "more");
    // The clone that was not served ends the connection too.
    let shutdown = tokio::spawn(async move { handlers.shutdown().await });
    assert_eq!(client.closed().await.code, CloseCode::Away);
    assert_eq!(client.close_reason().await, CloseReason::Shutdown);
    shutdown.await.unwrap();
}

#[tokio::test]
async fn runs_on_the_runtime_of_the_test_although_the_router_has_workers() {
    let request = TestClient::<Room>::upgrade("/rooms/lobby").open_through(router().workers(1));
    let mut client = request.await.unwrap();
    assert_eq!(client.text().await, "welcome to lobby");
    client.advance(std::time::Duration::from_secs(10)).await;
    assert_eq!(client.text().await, "tick");
}

#[tokio::test]
async fn another_handler_fails_the_test() {
    let open = async { drop(TestClient::<Room>::upgrade("/rooms/a").open_through(axum_switch()).await) };
    let text = failure(open).await;
    assert!(text.contains("the 101 is not from a router of ws-core"), "{text}");
    let open = async { drop(TestClient::<Whoami>::upgrade("/rooms/a").open_through(router()).await) };
    let text = failure(open).await;
    assert!(
        text.contains("the handler of the request is `test_util::Room`, not `tests::whoami::Whoami`"),
        "{text}"
    );
}

/// Returns an app that answers with a 101 of its own.
fn axum_switch() -> axum::Router {
    axum::Router::new().fallback(async || StatusCode::SWITCHING_PROTOCOLS)
}

#[tokio::test]
async fn request_describes_the_client() {
    let addr = SocketAddr::from(([192, 0, 2, 1], 443));
    let request = || TestClient::<Whoami>::upgrade("/socket").peer_addr(addr);
    assert_eq!(request().open().await.unwrap().text().await, whoami::answer(addr, false));
    assert_eq!(request().tls().open().await.unwrap().text().await, whoami::answer(addr, true));
    let through = TestClient::<Whoami>::upgrade("/whoami").peer_addr(addr).tls().open_through(router());
    assert_eq!(through.await.unwrap().text().await, whoami::answer(addr, true));
    // A middleware would replace the address of a proxy by that of the client.
    let other = SocketAddr::from(([192, 0, 2, 2], 80));
    let request = request().extension(ConnectInfo(other)).open().await;
    assert_eq!(request.unwrap().text().await, format!("{other} {addr} false"));
    let unknown = TestClient::<Whoami>::upgrade("/socket").open().await.unwrap_err();
    assert_eq!(unknown.status, StatusCode::INTERNAL_SERVER_ERROR);
    let member = TestClient::<Member>::upgrade("/users/a").extension(User("bob")).state(1).open().await;
    assert_eq!(member.unwrap().text().await, "bob (1) in a");
}

#[tokio::test]
async fn test_chooses_who_answers_pings() {
    let open = || TestClient::<Member>::upgrade("/users/a").extension(User("bob")).state(1).open();
    let seconds = std::time::Duration::from_secs;
    let mut client = open().await.unwrap();
    client.text().await;
    // The handler declares its pings, so they are messages for the test.
    client.advance(seconds(5)).await;
    assert_eq!(client.pinged().await, "");
    client.pong("").await;
    client.answer_pings(true);
    client.advance(seconds(60)).await;
    client.expect_nothing().await;
    client.answer_pings(false);
    client.advance(seconds(5)).await;
    assert_eq!(client.pinged().await, "");
    client.advance(seconds(20)).await;
    assert_eq!(client.closed().await, Close::new(1001, "no pong"));
}
