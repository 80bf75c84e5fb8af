//! Addresses of clients by the PROXY protocol.

use super::*;

/// A router that takes the PROXY protocol from 127.0.0.2 only.
fn proxied() -> Router {
    app().proxy_protocol(["127.0.0.2"]).handshake_timeout(Duration::from_millis(500))
}

/// Returns a header of version 2 for 203.0.113.7:40000.
fn version_2() -> Vec<u8> {
    let addresses = [203, 0, 113, 7, 192, 0, 2, 1, 0x9c, 0x40, 0x01, 0xbb];
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses].concat()
}

#[tokio::test]
async fn proxy_header_is_the_address() {
    for workers in [0, 1] {
        let server = serve(proxied().workers(workers)).await;
        let version_1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n".to_vec();
        for header in [version_1, version_2()] {
            for path in ["/plain", "/parsed"] {
                let mut client = connect(server.addr, 2).await;
                client.send(&header).await;
                assert_eq!(opened(&mut client, path, "").await, "203.0.113.7:40000");
            }
            // In pieces, and together with the request.
            let mut client = connect(server.addr, 2).await;
            let (start, end) = header.split_at(header.len() / 2);
            client.send(start).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            client.send([end, b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"].concat()).await;
            assert_eq!(client.read_response().await.body, "203.0.113.7:40000");
        }
    }
}

#[tokio::test]
async fn proxy_header_of_another_client_is_a_malformed_request() {
    let server = serve(proxied()).await;
    let mut client = connect(server.addr, 3).await;
    client.send(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n").await;
    client.send(handshake("/plain", "")).await;
    assert_eq!(client.read_response().await.status, 400);
    let mut client = connect(server.addr, 3).await;
    let expected = own(&client);
    assert_eq!(opened(&mut client, "/plain", "").await, expected);
}

#[tokio::test]
async fn connection_without_a_valid_proxy_header_ends_without_an_answer() {
    let server = serve(proxied()).await;
    let long_line = [&b"PROXY UNKNOWN "[..], &[b'x'; 200], b"\r\n"].concat();
    let long_header = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 5000]].concat();
    let plain = handshake("/plain", "");
    let slow = [&b""[..], b"PROXY", b"PROXY TCP4 203.0.113.7 192.0.2.1 400", &version_2()[..20]];
    let malformed = [plain.as_bytes(), b"PROXY TCP4 oops oops 1 1\r\n", &long_line, &long_header];
    for bytes in slow.iter().chain(&malformed) {
        let mut client = connect(server.addr, 2).await;
        client.send(bytes).await;
        assert_eq!(client.byte().await, None, "{}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn header_without_an_address_leaves_that_of_the_proxy() {
    let server = serve(proxied()).await;
    let start = b"\r\n\r\n\0\r\nQUIT\n";
    // LOCAL, with and without addresses; a proxy for a protocol that is unknown; a path of a Unix socket.
    let local = [&start[..], b"\x20\x00\0\0"].concat();
    let local_addresses =
        [&start[..], b"\x20\x11\0\x0c", &[203, 0, 113, 7, 192, 0, 2, 1, 0, 1, 0, 1]].concat();
    let unspecified = [&start[..], b"\x21\x00\0\0"].concat();
    let unix = [&start[..], b"\x21\x31\0\xd8", &[b'/'; 216]].concat();
    let version_1 = b"PROXY UNKNOWN\r\n".to_vec();
    for header in [local, local_addresses, unspecified, unix, version_1] {
        let mut client = connect(server.addr, 2).await;
        client.send(&header).await;
        let expected = own(&client);
        assert_eq!(opened(&mut client, "/plain", "").await, expected, "{}", header.escape_ascii());
    }
    // Further values follow the addresses: a name of the host, a checksum, and one whose length is wrong.
    for values in [&b"\x02\0\x09localhost"[..], b"\x03\0\x04\0\0\0\0", b"\xff\xff\xff\x01"] {
        let mut header = version_2();
        header[15] += u8::try_from(values.len()).unwrap();
        header.extend(values);
        let mut client = connect(server.addr, 2).await;
        client.send(&header).await;
        assert_eq!(opened(&mut client, "/plain", "").await, "203.0.113.7:40000");
    }
}

#[tokio::test]
async fn reason_for_the_end_of_a_proxied_connection_is_logged() {
    let lines = Lines::default();
    // While there is one subscriber only, `tracing` disables a line that a thread without it reaches first.
    let _other = Dispatch::new(NoSubscriber::default());
    let _guard = set_default(lines.subscriber(Level::DEBUG));
    let server = serve(proxied()).await;
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "the connection begins with other bytes"),
        (b"PROXY TCP4 oops oops 1 1\r\n", "no valid PROXY header"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "the header is too long"),
        (b"PROXY TCP4 203", "no complete PROXY header in time"),
    ] {
        let mut client = connect(server.addr, 2).await;
        let proxy = own(&client);
        client.send(bytes).await;
        assert_eq!(client.byte().await, None);
        let logged = lines.take();
        let found = logged.iter().find(|line| line.contains("PROXY header"));
        let found = found.unwrap_or_else(|| panic!("no line about {reason:?} in {logged:?}"));
        assert!(found.starts_with("DEBUG") && found.contains(reason), "{found}");
        assert!(found.contains(&format!("proxy={proxy}")), "{found}");
    }
}

#[tokio::test]
async fn limit_per_address_counts_clients_of_the_proxy_protocol() {
    let server = serve(app().proxy_protocol(["127.0.0.2"]).max_connections_per_address(1)).await;
    let open = async |client: &str| {
        let mut raw = connect(server.addr, 2).await;
        raw.send(format!("PROXY TCP4 {client} 192.0.2.1 1 1\r\n")).await;
        let status = raw.request(&handshake("/plain", "")).await.status;
        (raw, status)
    };
    let (_first, status) = open("203.0.113.7").await;
    assert_eq!(status, 101);
    assert_eq!(open("203.0.113.7").await.1, 429);
    assert_eq!(open("203.0.113.8").await.1, 101);
}

#[tokio::test]
async fn limit_per_address_counts_silent_clients_of_the_proxy_protocol() {
    for workers in [0, 1] {
        let router = app().workers(workers).proxy_protocol(["127.0.0.2"]).trusted_proxies(["203.0.113.9"]);
        let server = serve(router.max_connections_per_address(1)).await;
        let open = async |client: &str| {
            let mut raw = connect(server.addr, 2).await;
            raw.send(format!("PROXY TCP4 {client} 192.0.2.1 1 1\r\n")).await;
            raw
        };
        let page = "GET /page HTTP/1.1\r\nHost: x\r\n\r\n";
        // The limit, and the spare connections of one address. A response shows that the server has counted one.
        let mut opened = Vec::new();
        for _ in 0..33 {
            let mut client = open("203.0.113.7").await;
            assert_eq!(client.request(page).await.body, "203.0.113.7:1");
            opened.push(client);
        }
        assert_eq!(open("203.0.113.7").await.byte().await, None);
        assert_eq!(open("203.0.113.8").await.request(page).await.status, 200);
        for _ in 0..40 {
            let mut proxy = open("203.0.113.9").await;
            assert_eq!(proxy.request(page).await.status, 200);
            opened.push(proxy);
        }
    }
}
