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
