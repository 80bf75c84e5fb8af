//! Sessions inside TLS, over HTTP/1.1 and HTTP/2: by WebSocket, events and polls.

use hyper::Request;
use serde_json::Value;

use super::*;

#[websocket(path = "/count", session)]
#[derive(Default)]
struct Count(u32);

#[websocket]
impl Count {
    #[on_text]
    fn count(&mut self, text: &str) -> String {
        self.0 += 1;
        format!("{} {text}", self.0)
    }
}

async fn with_sessions() -> Setup {
    setup_with(|router| router.mount::<Count>()).await
}

/// Returns the token in the first object of events, or of a WebSocket.
fn token(events: &str, resumed: bool) -> String {
    let object = events.split_once('{').expect("an object").1;
    let object = format!("{{{}", object.lines().next().unwrap());
    let object: Value = serde_json::from_str(&object).unwrap();
    assert_eq!(object["session"]["resumed"], resumed, "{object}");
    object["session"]["token"].as_str().unwrap().to_owned()
}

const SESSION: &str = "ws-core.session.v1";

#[tokio::test]
async fn websocket_events_and_polls_over_http2() {
    let setup = with_sessions().await;
    let stream = setup.connect(&["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let client = Connection::new(stream).await;
    let uri = "https://localhost/count";

    let mut request = tests::http2::connect("/count");
    *request.uri_mut() = uri.parse().unwrap();
    request.headers_mut().insert("origin", "https://localhost".parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", SESSION.parse().unwrap());
    let mut socket = client.socket(request).await;
    let token_of_socket = token(&socket.next_text().await, false);
    socket.text("a").await;
    assert_eq!(socket.next_text().await, "1 a");
    drop(socket);

    // The same session by events, with a POST beside them.
    let get = |last: &str| {
        Request::get(uri).header("ws-core-session", &token_of_socket).header("last-event-id", last)
    };
    let events = get("1").header("accept", "text/event-stream").body(()).unwrap();
    let mut requests = client.requests.clone().ready().await.unwrap();
    let (response, _) = requests.send_request(events, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let mut read = String::new();
    let post = |first: u32| {
        let post = Request::post(uri).header("ws-core-session", &token_of_socket);
        let body = format!("{{\"first\":{first},\"messages\":[\"b\"]}}");
        (post.header("content-type", "application/json").body(()).unwrap(), body)
    };
    while !read.contains("}}\n\n") {
        read += std::str::from_utf8(&body.data().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(token(&read, true), token_of_socket);
    let (request, text) = post(2);
    let answer = client.request(request, Some(text.as_bytes())).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"received":2}"#));
    while !read.ends_with("id: 2\ndata: 2 b\n\n") {
        read += std::str::from_utf8(&body.data().await.unwrap().unwrap()).unwrap();
    }
    drop(body);

    // And by a poll, which has what the events had.
    let polled = client.request(get("1").body(()).unwrap(), Some(b"")).await.unwrap();
    assert_eq!(polled.status, 200);
    assert_eq!(token(&polled.body, true), token_of_socket);
    assert!(polled.body.ends_with("id: 2\ndata: 2 b\n\n"), "{}", polled.body);
}

/// Sends a request over a TLS connection of its own, and reads the response to its end.
async fn request(setup: &Setup, request: &str) -> String {
    let mut stream = setup.connect(&["http/1.1"]).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(TIMEOUT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn websocket_events_and_polls_over_http1() {
    let setup = with_sessions().await;
    let stream = setup.connect(&["http/1.1"]).await;
    let mut handshake =
        tungstenite::client::IntoClientRequest::into_client_request("wss://localhost/count").unwrap();
    handshake.headers_mut().insert("sec-websocket-protocol", SESSION.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(handshake, stream).await.unwrap();
    let token_of_socket = token(&receive(&mut socket).await.into_text().unwrap(), false);
    socket.send("a".into()).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::from("1 a"));
    drop(socket);

    let headers = format!("Host: localhost\r\nWs-Core-Session: {token_of_socket}\r\nConnection: close\r\n");
    let mut events = setup.connect(&["http/1.1"]).await;
    let get = format!("GET /count HTTP/1.1\r\n{headers}Last-Event-ID: 1\r\n");
    events.write_all(format!("{get}Accept: text/event-stream\r\n\r\n").as_bytes()).await.unwrap();
    let mut read = String::new();
    let mut buffer = [0; 4096];
    let mut read_until = async |end: &str| {
        while !read.contains(end) {
            let len = tokio::time::timeout(TIMEOUT, events.read(&mut buffer)).await.unwrap().unwrap();
            assert_ne!(len, 0, "{read}");
            read += std::str::from_utf8(&buffer[..len]).unwrap();
        }
        read.clone()
    };
    assert_eq!(token(&read_until("}}\n\n").await, true), token_of_socket);
    let body = r#"{"first":2,"messages":["b"]}"#;
    let post = format!(
        "POST /count HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(request(&setup, &post).await.ends_with("\r\n\r\n{\"received\":2}"));
    read_until("id: 2\ndata: 2 b\n\n").await;
    drop(events);

    let polled = request(&setup, &format!("{get}\r\n")).await;
    assert_eq!(token(&polled, true), token_of_socket);
    assert!(polled.ends_with("id: 2\ndata: 2 b\n\n"), "{polled}");
}
