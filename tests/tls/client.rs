//! What the server knows of a client inside TLS.

use tests::whoami::{self, Whoami};

use super::*;

#[tokio::test]
async fn extractors_find_the_client_and_tls() {
    let setup = setup_with(|router| router.mount::<Whoami>().fallback(whoami::app())).await;
    let stream = setup.connect(&["h2"]).await;
    let expect = whoami::answer(stream.get_ref().0.local_addr().unwrap(), true);
    let http2 = Connection::new(stream).await;
    let request = hyper::Request::get("https://localhost/whoami").body(()).unwrap();
    let page = http2.request(request, Some(b"")).await.unwrap();
    assert_eq!((page.status, &page.body), (200, &expect));
    assert_eq!(http2.open("/socket").await.next_text().await, expect);

    let mut stream = setup.connect(&[]).await;
    let expect = whoami::answer(stream.get_ref().0.local_addr().unwrap(), true);
    stream.write_all(b"GET /whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut page = String::new();
    tokio::time::timeout(TIMEOUT, stream.read_to_string(&mut page)).await.unwrap().unwrap();
    assert!(page.ends_with(&format!("\r\n\r\n{expect}")), "{page}");
    let stream = setup.connect(&[]).await;
    let expect = whoami::answer(stream.get_ref().0.local_addr().unwrap(), true);
    let (mut socket, _) = tokio_tungstenite::client_async("wss://localhost/socket", stream).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::from(expect));
}
