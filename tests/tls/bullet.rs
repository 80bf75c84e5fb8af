//! The option `bullet` inside TLS.

use super::*;

#[tokio::test]
async fn post_over_http1_and_http2() {
    let setup = setup().await;
    let mut stream = setup.connect(&["http/1.1"]).await;
    let request =
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");

    let client = Connection::new(setup.connect(&["h2"]).await).await;
    let request = hyper::Request::post("https://localhost/echo").body(()).unwrap();
    let answer = client.request(request, Some(b"hello")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
}
