//! Hostile clients, and disconnected ones.

use std::time::Instant;

use ws_core::ProtocolError;

use super::*;

/// Waits until a new client gets a permit.
async fn wait_for_permit(setup: &Setup) {
    let start = Instant::now();
    loop {
        let mut raw = setup.server.raw().await;
        raw.send([request("/demo", "").as_bytes(), KEY3].concat()).await;
        if raw.read_response().await.status == 101 {
            return expect(&mut raw, PROOF).await;
        }
        assert!(start.elapsed() < TIMEOUT, "the permit is never released");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn missing_keys_release_the_permit() {
    let two = |router: Router| router.max_connections(2).handshake_timeout(Duration::from_secs(2));
    let mut setup = setup_with(two).await;
    let mut silent = Vec::new();
    for half in [&b""[..], b"^n:ds[4"] {
        let mut raw = setup.server.raw().await;
        raw.send(request("/demo", "")).await;
        raw.send(half).await;
        assert!(head(&mut raw).await.starts_with("HTTP/1.1 101 "));
        silent.push(raw);
    }
    let refused = setup.server.raw().await.request(&request("/demo", "")).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("connection"), Some("close"));
    for mut raw in silent {
        // The connection is closed without a response.
        let read = tokio::time::timeout(TIMEOUT, raw.0.read(&mut [0; 1])).await.expect("an end");
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    wait_for_permit(&setup).await;
    assert!(
        matches!(setup.reason().await, CloseReason::ConnectionLost(_)),
        "the first that reached a handler"
    );
}

#[tokio::test]
async fn disconnect_before_the_keys_releases_the_permit() {
    let one = |router: Router| router.max_connections(1).handshake_timeout(Duration::from_secs(3600));
    let setup = setup_with(one).await;
    let mut raw = setup.server.raw().await;
    raw.send(request("/demo", "")).await;
    raw.send(b"^n:ds[4").await;
    head(&mut raw).await;
    drop(raw);
    wait_for_permit(&setup).await;
}

#[tokio::test]
async fn missing_keys_do_not_delay_a_shutdown() {
    let patient = |router: Router| {
        let long = Duration::from_secs(3600);
        router.handshake_timeout(long).shutdown_timeout(long)
    };
    let mut setup = setup_with(patient).await;
    let mut raw = setup.server.raw().await;
    raw.send(request("/demo", "")).await;
    head(&mut raw).await;
    setup.server.stop();
    setup.server.join().await;
}

#[tokio::test]
async fn shutdown_drains_and_closes() {
    let mut setup = setup().await;
    let mut raw = setup.old().await;
    raw.send(b"\x00a\xff").await;
    expect(&mut raw, b"\x00a\xff").await;
    raw.send(b"\x00wait\xff").await;
    expect(&mut raw, b"\x00waiting\xff").await;
    setup.server.stop();
    expect(&mut raw, b"\x00wait\xff\xff\x00").await;
    raw.send(b"\xff\x00").await;
    assert_eq!(rest(&mut raw).await, b"");
    assert_eq!(setup.reason().await, CloseReason::Shutdown);
    setup.server.join().await;
}

/// Asserts that the bytes close the connection with this fault.
async fn closes(sent: &[u8], fault: ProtocolError) {
    let mut setup = setup().await;
    let mut raw = setup.old().await;
    raw.send(b"\x00before\xff").await;
    raw.send(sent).await;
    expect(&mut raw, b"\x00before\xff\xff\x00").await;
    assert_eq!(setup.reason().await, CloseReason::Protocol(fault));
}

#[tokio::test]
async fn closes_on_endless_frames() {
    let kib = 1 << 10;
    closes(&[b"\x00", &vec![b'x'; 65 * kib][..]].concat(), ProtocolError::MessageTooBig).await;
    closes(&[b"\x01", &vec![b'x'; 65 * kib][..]].concat(), ProtocolError::MessageTooBig).await;
    closes(b"\x80\xff\xff\xff\xff\xff\xff\xff\x7f", ProtocolError::MessageTooBig).await;
    closes(b"\xff\x84\x80\x01", ProtocolError::MessageTooBig).await;
    closes(&[0x80; 11], ProtocolError::BadFrame("length does not end")).await;
    closes(b"\x00caf\xc3\xff", ProtocolError::BadEncoding).await;
}

#[tokio::test]
async fn accepts_random_segmentation() {
    let setup = setup().await;
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = move |most: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % most
    };
    for _ in 0..20 {
        let mut raw = setup.server.raw().await;
        let (mut stream, mut expected) = (request("/demo", "").into_bytes(), PROOF.to_vec());
        stream.extend(KEY3);
        for _ in 0..below(30) {
            let len = usize::try_from(below(3000)).unwrap();
            let text = [b"\x00", &vec![b'a' + below(26) as u8; len][..], b"\xff"].concat();
            expected.extend(&text);
            stream.extend(text);
            match below(4) {
                0 => stream.extend(b"\x80\x05\xff\x00\xff\x00x"),
                1 => stream.extend(b"\x33what\xff"),
                _ => {}
            }
        }
        stream.extend(b"\xff\x00");
        expected.extend(b"\xff\x00");
        let mut rest_of_it = &stream[..];
        while !rest_of_it.is_empty() {
            let len = usize::try_from(1 + below(2000)).unwrap().min(rest_of_it.len());
            raw.send(&rest_of_it[..len]).await;
            tokio::task::yield_now().await;
            rest_of_it = &rest_of_it[len..];
        }
        head(&mut raw).await;
        assert!(rest(&mut raw).await == expected);
    }
}
