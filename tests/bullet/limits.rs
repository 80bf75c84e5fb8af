//! Limits of requests, bodies and slow clients.

use super::*;

#[tokio::test]
async fn body_is_a_message_within_the_limit() {
    let setup = setup().await;
    let full = "x".repeat(64 << 10);
    let response = setup.post(&full).await;
    assert_eq!((response.status, response.body.len()), (200, "echo ".len() + full.len()));
    let more = "x".repeat((64 << 10) + 1);
    assert_eq!(setup.post(&more).await.status, 413);
    // Without a length, the limit counts what arrives.
    let mut raw = setup.server.raw().await;
    raw.send("POST /bullet/any HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    raw.send(format!("8000\r\n{0}\r\n8000\r\n{0}\r\n1\r\nx\r\n", "x".repeat(0x8000))).await;
    assert_eq!(raw.read_response().await.status, 413);
    // The length alone is enough.
    let mut raw = setup.server.raw().await;
    raw.send("POST /bullet/any HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n").await;
    assert_eq!(raw.read_response().await.status, 413);
}

#[tokio::test]
async fn slow_body_is_408() {
    let setup = setup_with(|router| router.handshake_timeout(MOMENT).max_connections(1)).await;
    let mut raw = setup.server.raw().await;
    raw.send("POST /bullet/any HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello").await;
    assert_eq!(raw.read_response().await.status, 408);
    // The place of the request is free again.
    assert_eq!(setup.post("hello").await.body, "echo hello");
}

#[tokio::test]
async fn incomplete_body_reaches_no_handler() {
    let mut setup = setup().await;
    let mut raw = setup.server.raw().await;
    raw.send("POST /bullet/any HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz\r\n")
        .await;
    assert_eq!(raw.read_response().await.status, 400);
    assert!(setup.reasons.try_recv().is_err());
}

#[tokio::test]
async fn method_of_a_post_has_a_limit() {
    let mut setup = setup().await;
    let mut raw = setup.server.raw().await;
    let response = raw.request(&post("short", "", "never")).await;
    assert_eq!(response.status, 503);
    setup.reason().await;
}

#[tokio::test]
async fn requests_count_as_connections() {
    let setup = setup_with(|router| router.max_connections(2)).await;
    let mut poll = setup.server.raw().await;
    poll.send(get("silent", "")).await;
    let mut events = setup.server.raw().await;
    events.request(&get_events("now")).await;
    while setup.get("now").await.status != 503 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(setup.post("hello").await.status, 503);
    drop(poll);
    while setup.get("now").await.status != 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let setup = setup_with(|router| router.max_connections_per_address(1)).await;
    let mut events = setup.server.raw().await;
    events.request(&get_events("now")).await;
    assert_eq!(setup.get("now").await.status, 429);
    let setup = setup_with(|router| router.max_upgrade_rate(1)).await;
    let statuses = [setup.get("now").await.status, setup.get("now").await.status];
    assert!(statuses == [200, 503] || statuses == [200, 200], "{statuses:?}");
}

/// Handler that sends as long as the client is fast enough.
#[websocket(path = "/flood", bullet, outbox_limit = 256KiB, outbox_high_water = 64KiB)]
struct Flood(Reasons);

#[websocket]
impl Flood {
    #[on_upgrade]
    fn make(State(reasons): State<Reasons>) -> Self {
        Self(reasons)
    }

    #[every(1ms)]
    fn flood(&mut self) -> String {
        "x".repeat(100_000)
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        let _ = self.0.send(reason.clone());
    }
}

#[tokio::test]
async fn client_that_does_not_read_its_events_is_closed() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let server = serve(Router::new().mount::<Flood>().with_state(sender)).await;
    let mut raw = server.raw().await;
    raw.request("GET /flood HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n").await;
    let reason = tokio::time::timeout(TIMEOUT, reasons.recv()).await.expect("the handler lives").unwrap();
    assert_eq!(reason, CloseReason::Overflow);
}

#[tokio::test]
async fn message_may_be_larger_than_every_buffer() {
    let setup = setup().await;
    assert_eq!(setup.get("large").await.body.len(), 4_000_000);
    let mut raw = setup.server.raw().await;
    assert_eq!(raw.request(&post("any", "", "large")).await.status, 200);
    assert_eq!(raw.chunks().await.len(), 4_000_000);
    let mut raw = setup.server.raw().await;
    raw.request(&get_events("large")).await;
    let mut event = String::new();
    while !event.ends_with("\n\n") {
        event += &raw.chunk().await;
    }
    assert_eq!(event.len(), "data: \n\n".len() + 4_000_000);
}
