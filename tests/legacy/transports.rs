//! Transports of draft 76: TLS and another server, but not HTTP/2.

use std::sync::Arc;

use tests::http2::connect;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use ws_core::Tls;

use super::*;

#[tokio::test]
async fn location_is_wss_inside_tls() {
    let folder = std::env::temp_dir().join(format!("ws-core-legacy-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::load(&cert, &key).unwrap();
    std::fs::remove_dir_all(folder).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (sender, mut reasons) = mpsc::unbounded_channel();
    tokio::spawn(router(sender).serve_tls_listener(listener, tls, std::future::pending()));

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();

    stream.write_all(&[request("/demo", "").as_bytes(), KEY3].concat()).await.unwrap();
    // More than a TLS record, and more than the socket accepts at a time.
    let large = [b"\x00", &[b'x'; 60_000][..], b"\xff"].concat();
    for _ in 0..10 {
        stream.write_all(&large).await.unwrap();
    }
    stream.write_all(b"\xff\x00").await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    let end = all.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let head = std::str::from_utf8(&all[..end]).unwrap();
    assert!(head.contains("sec-websocket-location: wss://example.com/demo\r\n"), "{head}");
    assert!(all[end..] == [PROOF, &large.repeat(10), b"\xff\x00"].concat());
    assert_eq!(reasons.recv().await, Some(CloseReason::Remote(None)));
}

#[tokio::test]
async fn works_inside_an_axum_app() {
    let (sender, _reasons) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = axum::Router::new().nest_service("/live", router(sender));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mut raw = RawClient(TcpStream::connect(addr).await.unwrap());
    // hyper returns the bytes after the head together with the stream.
    let url = "x-asked-for: ws://example.com/live/demo\r\n";
    raw.send([request("/live/demo", url).as_bytes(), KEY3, b"\x00a"].concat()).await;
    let head = head(&mut raw).await;
    assert!(head.starts_with("HTTP/1.1 101 WebSocket Protocol Handshake\r\n"), "{head}");
    assert!(head.contains("sec-websocket-location: ws://example.com/live/demo\r\n"), "{head}");
    expect(&mut raw, PROOF).await;
    raw.send(b"b\xff\xff\x00").await;
    assert_eq!(rest(&mut raw).await, b"\x00ab\xff\xff\x00");
}

#[tokio::test]
async fn refused_over_http2() {
    let setup = setup().await;
    let http2 = setup.server.http2().await;
    let mut request = connect("/demo");
    request.headers_mut().remove("sec-websocket-version");
    for name in ["sec-websocket-key1", "sec-websocket-key2"] {
        request.headers_mut().insert(name, "1 0".parse().unwrap());
    }
    let reply = http2.request(request, None).await.unwrap();
    assert_eq!(reply.status, 426);
    assert!(!reply.headers.contains_key("connection"));
    // The final version works over HTTP/2.
    let mut socket = http2.open("/demo").await;
    socket.text("hello").await;
    assert_eq!(socket.next_text().await, "hello");
}
