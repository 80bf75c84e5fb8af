//! Bullet over HTTP/2.

use hyper::Request;
use tests::http2::Connection;

use super::*;

fn request(method: &str, mode: &str) -> hyper::http::request::Builder {
    Request::builder().method(method).uri(format!("http://server.example.com/bullet/{mode}"))
}

async fn check(client: &Connection) {
    let poll = client.request(request("GET", "now").body(()).unwrap(), Some(b"")).await.unwrap();
    assert_eq!((poll.status, poll.body.as_str()), (200, "first"));
    assert_eq!(poll.headers["content-length"], "5");
    assert_eq!(poll.headers["cache-control"], "no-store, no-transform");
    let none = client.request(request("GET", "close").body(()).unwrap(), Some(b"")).await.unwrap();
    assert_eq!((none.status, none.body.as_str()), (204, ""));
    let post = client.request(request("POST", "any").body(()).unwrap(), Some(b"two")).await.unwrap();
    assert_eq!((post.status, post.body.as_str()), (200, "one\n\nthree"));
    let evil = request("POST", "any").header("origin", "https://evil.example").body(()).unwrap();
    assert_eq!(client.request(evil, Some(b"hello")).await.unwrap().status, 403);
    assert_eq!(client.request(request("PUT", "any").body(()).unwrap(), Some(b"")).await.unwrap().status, 405);

    let mut requests = client.requests.clone().ready().await.unwrap();
    let events = request("GET", "now").header("accept", "text/event-stream").body(()).unwrap();
    let (response, _) = requests.send_request(events, true).unwrap();
    let (parts, mut body) = response.await.unwrap().into_parts();
    assert_eq!(parts.headers["content-type"], "text/event-stream");
    let data = body.data().await.unwrap().unwrap();
    assert_eq!(data, "data: first\n\ndata: second\n\n");
}

#[tokio::test]
async fn http2() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    check(&client).await;
    // The client has reset the stream of the events.
    while !matches!(setup.reason().await, CloseReason::ConnectionLost(_)) {}
    // A request that is cancelled ends its handler.
    let mut requests = client.requests.clone().ready().await.unwrap();
    let (response, _) = requests.send_request(request("GET", "silent").body(()).unwrap(), true).unwrap();
    let pending = tokio::time::timeout(MOMENT, response).await;
    assert!(pending.is_err(), "no message has come");
    assert!(matches!(setup.reason().await, CloseReason::ConnectionLost(_)));
}

/// HTTP/1.0 has neither chunks nor a second request on a connection.
#[tokio::test]
async fn http10_and_connection_close() {
    let setup = setup().await;
    for (from, to) in [("HTTP/1.1", "HTTP/1.0"), ("\r\n\r\n", "\r\nConnection: close\r\n\r\n")] {
        for (request, body) in [
            (get("now", ""), "first"),
            (post("any", "", "two"), "one\n\nthree"),
            (get_events("now"), "data: first\n\ndata: second\n\n"),
        ] {
            let mut raw = setup.server.raw().await;
            raw.send(request.replacen(from, to, 1)).await;
            let mut response = String::new();
            if body.starts_with("data") {
                // Until the client goes.
                while !response.contains("data: second\n\n") {
                    response.push(char::from(raw.byte().await.unwrap()));
                }
            } else {
                let read = raw.0.read_to_string(&mut response);
                tokio::time::timeout(TIMEOUT, read).await.expect("the connection ends").unwrap();
            }
            let (head, rest) = response.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.") && head.contains(" 200 OK"), "{head}");
            let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding");
            assert!(is_chunked || rest == body, "{rest:?}");
            assert!(!is_chunked || (to != "HTTP/1.0" && body.starts_with("data")), "{head}");
        }
    }
}
