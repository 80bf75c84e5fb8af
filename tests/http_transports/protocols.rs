//! The transports over HTTP/2.

use hyper::Request;

use super::*;

#[tokio::test]
async fn http2() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let request = |method: &str, token: &str| {
        let builder = Request::builder().method(method).uri("http://server.example.com/live");
        builder.header("ws-core-session", token)
    };
    let mut requests = client.requests.clone().ready().await.unwrap();
    let events = request("GET", "new").header("accept", "text/event-stream").body(()).unwrap();
    let (response, _) = requests.send_request(events, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let mut read = String::new();
    while parse(&read).is_empty() {
        read += std::str::from_utf8(&body.data().await.unwrap().unwrap()).unwrap();
    }
    let token = parse(&read)[0].object()["session"]["token"].as_str().unwrap().to_owned();
    let post = || request("POST", &token).header("content-type", "application/json").body(()).unwrap();
    let sent = client.request(post(), Some(br#"{"first":1,"messages":["a"]}"#)).await.unwrap();
    assert_eq!((sent.status, sent.body.as_str()), (200, r#"{"received":1}"#));
    while parse(&read).len() < 2 {
        read += std::str::from_utf8(&body.data().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(parse(&read)[1].text(), (1, "echo a"));
    drop(body);
    assert_eq!(setup.said().await, Said::Text("a".into()));
    assert_eq!(setup.said().await, Said::Detached);
    let poll = request("GET", &token).header("last-event-id", "0").body(()).unwrap();
    let polled = client.request(poll, Some(b"")).await.unwrap();
    let events = parse(&polled.body);
    assert_eq!((polled.status, events[1].text()), (200, (1, "echo a")));

    // A WebSocket in a stream of the same connection goes on with the session, and a POST does not reach it.
    let mut resume = tests::http2::connect("/live");
    let offer = format!("ws-core.session.v1, ws-core.resume.{token}.1");
    resume.headers_mut().insert("sec-websocket-protocol", offer.parse().unwrap());
    resume.headers_mut().remove("origin");
    let mut socket = client.socket(resume).await;
    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "ws-core.session.v1");
    let greeting = socket.next_text().await;
    assert!(greeting.starts_with('\0') && greeting.contains(r#""received":1,"#), "{greeting}");
    assert!(greeting.contains(r#""resumed":true"#), "{greeting}");
    socket.text("b").await;
    assert_eq!(socket.next_text().await, "echo b");
    let late = client.request(post(), Some(br#"{"first":3,"messages":["c"]}"#)).await.unwrap();
    assert_eq!(late.status, 409);
    assert_eq!(setup.said().await, Said::Attached);
    assert_eq!(setup.said().await, Said::Text("b".into()));
}
