//! The server around the sockets: shutdown, limits, and other protocols.

use super::*;

#[tokio::test]
async fn shutdown_closes_sockets_and_connection() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let (mut one, mut other) = (client.open("/echo/a").await, client.open("/echo/b").await);
    let idle = setup.server.http2().await;
    setup.server.stop();
    for socket in [&mut one, &mut other] {
        assert_eq!(socket.close_code().await, 1001);
        socket.close(1001).await;
        assert_eq!(socket.frame().await, None);
        socket.end();
    }
    assert_eq!((setup.reason().await, setup.reason().await), (CloseReason::Shutdown, CloseReason::Shutdown));
    drop((one, other));
    let start = std::time::Instant::now();
    setup.server.join().await;
    idle.join().await.unwrap();
    client.join().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn serves_http1_on_the_same_port() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut new = client.open("/echo/a").await;
    let mut old = setup.server.connect("/echo/b").await;
    new.text("over HTTP/2").await;
    old.send("over HTTP/1.1").await;
    assert_eq!(old.text().await, "over HTTP/1.1");
    assert_eq!(new.next_text().await, "over HTTP/2");
    // A method that starts like the preface, in pieces.
    let mut raw = setup.server.raw().await;
    raw.send("P").await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(raw.request("UT / HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 404);
}

#[tokio::test]
async fn accepts_the_preface_in_pieces() {
    let setup = setup().await;
    let (client, mut client_side) = tokio::io::duplex(1024);
    let mut tcp = tokio::net::TcpStream::connect(setup.server.addr).await.unwrap();
    tokio::spawn(async move {
        let mut first = [0; 2];
        client_side.read_exact(&mut first).await.unwrap();
        for byte in first {
            tcp.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        tokio::io::copy_bidirectional(&mut client_side, &mut tcp).await
    });
    let mut socket = Connection::new(client).await.open("/echo/a").await;
    socket.text("hello").await;
    assert_eq!(socket.next_text().await, "hello");
}

#[tokio::test]
async fn disconnects_silent_clients() {
    let setup = setup_with(|router| router.handshake_timeout(Duration::from_millis(200))).await;
    let start = std::time::Instant::now();
    for words in ["", "P", "PRI * HTTP/2.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut raw = setup.server.raw().await;
        raw.send(words).await;
        while raw.byte().await.is_some() {}
    }
    // A client without streams gets a GOAWAY.
    let idle = setup.server.http2().await;
    idle.join().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());

    // A silent socket counts as a stream.
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    socket.text("hello").await;
    assert_eq!(socket.next_text().await, "hello");
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let slow = axum::Router::new().fallback(async || std::future::pending::<()>().await);
    let setup = setup_with(|router| router.fallback(slow)).await;
    let client = setup.server.http2().await;
    for _ in 0..1000 {
        let Ok(mut requests) = client.requests.clone().ready().await else { break };
        let request = Request::get("http://server.example.com/").body(()).unwrap();
        let Ok((_, mut send)) = requests.send_request(request, false) else { break };
        tokio::time::sleep(Duration::from_millis(1)).await;
        send.send_reset(Reason::CANCEL);
    }
    let error = client.join().await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM), "{error}");
}

#[tokio::test]
async fn fallback_answers_other_requests() {
    let pages = axum::Router::new()
        .route("/", axum::routing::get(async || "a page"))
        .route("/large", axum::routing::get(async || "x".repeat(1 << 20)))
        .route(
            "/old",
            axum::routing::get(async || ([("connection", "close"), ("keep-alive", "5")], "a page")),
        )
        .route("/count", axum::routing::post(async |body: axum::body::Bytes| body.len().to_string()));
    let setup = setup_with(|router| router.fallback(pages)).await;
    let client = setup.server.http2().await;
    let get = |path: &str| Request::get(format!("http://server.example.com{path}")).body(()).unwrap();
    let page = client.request(get("/"), Some(b"")).await.unwrap();
    assert_eq!((page.status, page.body.as_str()), (200, "a page"));
    assert_eq!(page.headers["content-length"], "6");
    assert!(page.headers.contains_key("date"));
    assert_eq!(client.request(get("/large"), Some(b"")).await.unwrap().body.len(), 1 << 20);
    // HTTP/1.1 gives the same answer.
    let old = client.request(get("/old"), Some(b"")).await.unwrap();
    assert_eq!((old.status, old.headers.get("connection"), old.headers.get("keep-alive")), (200, None, None));
    assert_eq!(client.request(get("/none"), Some(b"")).await.unwrap().status, 404);
    let post = Request::post("http://server.example.com/count").body(()).unwrap();
    assert_eq!(client.request(post, Some(&[1; 200_000])).await.unwrap().body, "200000");
    let head = Request::head("http://server.example.com/").body(()).unwrap();
    let head = client.request(head, Some(b"")).await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // A mounted handler takes precedence over the fallback.
    let mut socket = client.open("/echo/a").await;
    socket.raw(frame(0x81, b"hello").into()).await;
    assert_eq!(socket.next_text().await, "hello");
}
