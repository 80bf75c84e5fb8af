//! Clients and proxies of other times: HTTP/1.0, `Connection: close`, and responses that are collected.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

impl Setup {
    /// Sends a request, and returns what the server sends until the connection ends.
    async fn to_end(&self, request: &str) -> String {
        let mut raw = self.server.raw().await;
        raw.send(request).await;
        let mut response = String::new();
        let read = raw.0.read_to_string(&mut response);
        tokio::time::timeout(TIMEOUT, read).await.expect("the connection ends").unwrap();
        response
    }
}

/// Returns the value of the first object in a body.
fn session(events: &[SentEvent]) -> Value {
    events[0].object()["session"].take()
}

/// Polls and POSTs as `old` makes them: each response ends its connection.
async fn check_polls(setup: &mut Setup, old: impl Fn(String) -> String) {
    let split = |response: String| {
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.") && head.contains(" 200 OK\r\n"), "{head}");
        let lower = head.to_ascii_lowercase();
        assert!(!lower.contains("transfer-encoding"), "{head}");
        assert!(lower.contains(&format!("content-length: {}", body.len())), "{head}");
        body.to_owned()
    };
    let body = split(setup.to_end(&old(get("Ws-Core-Session: new\r\n"))).await);
    let token = session(&parse(&body))["token"].as_str().unwrap().to_owned();
    // A POST waits for the next poll.
    let message = old(post(&token, "", r#"{"first":1,"messages":["a"]}"#));
    let poll = old(get(&format!("Ws-Core-Session: {token}\r\nLast-Event-ID: 0\r\n")));
    let (sent, polled) = tokio::join!(setup.to_end(&message), setup.to_end(&poll));
    assert_eq!(split(sent), r#"{"received":1}"#);
    let events = parse(&split(polled));
    assert_eq!((session(&events)["resumed"].as_bool(), events[1].text()), (Some(true), (1, "echo a")));
    assert_eq!(setup.said().await, Said::Text("a".into()));
}

#[tokio::test]
async fn http10_has_every_transport() {
    let mut setup = setup().await;
    let old = |request: String| request.replace("HTTP/1.1", "HTTP/1.0");
    check_polls(&mut setup, old).await;
    // Events without chunks, which end with the connection.
    let mut raw = setup.server.raw().await;
    raw.send(old(get("Accept: text/event-stream\r\n"))).await;
    let mut read = String::new();
    while !read.ends_with("}}\n\n") {
        read.push(char::from(raw.byte().await.unwrap()));
    }
    let (head, body) = read.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    assert!(body.starts_with("retry: 1000\n\n"), "{body}");
    let token = session(&parse(body))["token"].as_str().unwrap().to_owned();
    setup.send(&token, 1, &["b", "stop"]).await;
    let mut rest = String::new();
    raw.0.read_to_string(&mut rest).await.unwrap();
    let events = parse(&rest);
    assert_eq!(events[0].text(), (1, "echo b"));
    assert_eq!(events[1].object()["close"]["code"], 4000);
}

#[tokio::test]
async fn connection_close_ends_the_connection_after_the_response() {
    let mut setup = setup().await;
    let old = |request: String| request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    check_polls(&mut setup, old).await;
    // Events last as long as the session's connection.
    let mut raw = setup.server.raw().await;
    let head = raw.request(&old(get("Accept: text/event-stream\r\n"))).await;
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
    let mut read = String::new();
    while parse(&read).is_empty() {
        read += &raw.chunk().await;
    }
    let token = session(&parse(&read))["token"].as_str().unwrap().to_owned();
    setup.send(&token, 1, &["b"]).await;
    assert_eq!(parse(&raw.chunk().await)[0].text(), (1, "echo b"));
    setup.send(&token, 2, &["stop"]).await;
    assert_eq!(parse(&raw.chunks().await)[0].object()["close"]["code"], 4000);
    assert_eq!(raw.byte().await, None);
}

/// Starts a proxy that passes a response on when the server has ended it. Each connection has one request.
async fn collecting_proxy(server: std::net::SocketAddr) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
                let (mut from_client, mut to_client) = client.split();
                let (mut from_server, mut to_server) = server.split();
                let mut response = Vec::new();
                tokio::select! {
                    // The client has gone, and the request with it.
                    _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                    _ = from_server.read_to_end(&mut response) => {
                        _ = to_client.write_all(&response).await;
                    }
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn polls_pass_a_proxy_that_collects_responses() {
    let mut setup = setup().await;
    setup.server.addr = collecting_proxy(setup.server.addr).await;
    let old = |request: String| request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    check_polls(&mut setup, old).await;
    // Nothing of the events arrives, so a client that waits for the first object gives up, and its session is
    // detached, not lost.
    let mut raw = setup.server.raw().await;
    raw.send(old(get("Accept: text/event-stream\r\n"))).await;
    assert!(tokio::time::timeout(4 * MOMENT, raw.0.read_u8()).await.is_err());
    drop(raw);
    assert_eq!(setup.said().await, Said::Detached);
}
