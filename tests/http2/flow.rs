//! Flow control, and many small frames.

use super::*;

#[tokio::test]
async fn slow_client_does_not_block_other_streams() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let (mut slow, mut other) = (client.open("/echo/slow").await, client.open("/echo/b").await);
    // 1 MB against a window of 64 KiB.
    slow.text("flood").await;
    for _ in 0..20 {
        other.text("quick").await;
        assert_eq!(other.next_text().await, "quick");
    }
    assert_eq!(setup.reason().await, CloseReason::Overflow);
    // The queued frames are dropped with the stream.
    assert_eq!(slow.reset(TIMEOUT).await, Some(Reason::CANCEL));
    other.text("alive").await;
    assert_eq!(other.next_text().await, "alive");
}

#[tokio::test]
async fn inactive_handler_closes_the_window() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut paused = client.open("/echo/paused").await;
    paused.text("pause").await;
    assert_eq!(paused.next_text().await, "pause");
    let addr = setup.shared.addr.lock().unwrap().take().unwrap();
    let mut other = client.open("/echo/b").await;
    let message = Bytes::from([&[0x82, 0xfe, 0x10, 0x00, 0, 0, 0, 0][..], &[1; 4096]].concat());
    let mut sent = 0;
    while paused.capacity(message.len()).await.is_some_and(|capacity| capacity >= message.len()) {
        paused.send.send_data(message.clone(), false).unwrap();
        sent += 1;
        assert!(sent < 100, "the window stays open");
    }
    // The window, and the bytes that the driver read before reading was paused.
    assert!((10..=32).contains(&sent), "{sent}");
    other.text("alive").await;
    assert_eq!(other.next_text().await, "alive");
    addr.send(Active(true)).unwrap();
    for _ in 0..sent {
        assert_eq!(paused.next_text().await, "4096");
    }
    // The window is open again.
    let mut rest = message.clone();
    while !rest.is_empty() {
        let capacity = paused.capacity(rest.len()).await.expect("the window opens").min(rest.len());
        paused.send.send_data(rest.split_to(capacity), false).unwrap();
    }
    assert_eq!(paused.next_text().await, "4096");
}

#[tokio::test]
async fn accepts_many_small_frames() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(client.open("/echo/a").await);
    }
    let small = Bytes::from(frame(0x82, b"x"));
    for socket in &mut sockets {
        for _ in 0..1000 {
            socket.send.send_data(small.clone(), false).unwrap();
        }
    }
    for socket in &mut sockets {
        for _ in 0..1000 {
            assert_eq!(socket.next_text().await, "1");
        }
    }
}

/// Returns the preface of a client with windows of 1 MiB per stream and 16 MiB for the connection.
fn preface() -> Vec<u8> {
    let settings = frame2(4, 0, 0, &[0, 4, 0, 0x10, 0, 0]);
    let window = frame2(8, 0, 0, &(16_u32 << 20).to_be_bytes());
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &window].concat()
}

/// Like the test above, but all frames arrive before the server reads.
#[tokio::test]
async fn accepts_many_small_frames_at_once() {
    const SOCKETS: u32 = 40;
    const MESSAGES: usize = 1500;
    let setup = setup().await;
    let mut bytes = preface();
    for socket in 0..SOCKETS {
        bytes.extend(frame2(1, 4, socket * 2 + 1, &handshake()));
        let message = frame2(0, 0, socket * 2 + 1, &frame(0x82, b"x"));
        bytes.extend(message.repeat(MESSAGES));
    }
    let mut raw = setup.server.raw().await;
    // No other task runs in the meantime.
    let mut sent = 0;
    while sent < bytes.len()
        && let Ok(len) = raw.0.try_write(&bytes[sent..])
    {
        sent += len;
    }
    assert!(sent > 200_000, "{sent} bytes were taken");
    let (mut read, mut write) = raw.0.split();
    let answers = async {
        let mut left = usize::try_from(SOCKETS).unwrap() * MESSAGES * 3;
        while left > 0 {
            let mut head = [0; 9];
            read.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            read.read_exact(&mut payload).await.unwrap();
            assert_ne!(head[3], 7, "GOAWAY {}", String::from_utf8_lossy(&payload[8..]));
            left -= if head[3] == 0 { payload.len() } else { 0 };
        }
    };
    let rest = async { write.write_all(&bytes[sent..]).await.unwrap() };
    let both = async { tokio::join!(answers, rest) };
    tokio::time::timeout(TIMEOUT, both).await.expect("all is answered");
}

#[tokio::test]
async fn limits_streams_per_connection() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut sockets = Vec::new();
    for _ in 0..256 {
        sockets.push(client.open("/echo/a").await);
    }
    let mut more = std::pin::pin!(client.open("/echo/a"));
    assert!(tokio::time::timeout(Duration::from_millis(200), more.as_mut()).await.is_err());
    drop(sockets.pop());
    let mut more = tokio::time::timeout(TIMEOUT, more).await.unwrap();
    more.text("hello").await;
    assert_eq!(more.next_text().await, "hello");
}

#[tokio::test]
async fn releases_windows_of_reset_streams() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    // 24 MB that no handler reads, against a connection window of 2.2 MB.
    let unread = Bytes::from([&[0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0][..], &[1; 60_000]].concat());
    for round in 0..400 {
        let mut socket = client.open("/echo/a").await;
        socket.text("pause").await;
        assert_eq!(socket.next_text().await, "pause", "{round}");
        socket.raw(unread.clone()).await;
        socket.send.send_reset(Reason::CANCEL);
        // The server would notice at the next read from the socket.
        setup.shared.addr.lock().unwrap().take().unwrap().send(Active(true)).unwrap();
        setup.reason().await;
    }
    let mut last = client.open("/echo/a").await;
    last.raw(unread).await;
    assert_eq!(last.next_text().await, "60000");
}

/// The sockets end in time, but the resets cannot be written.
#[tokio::test]
async fn client_that_never_reads_loses_its_connection() {
    const SOCKETS: u32 = 100;
    let mut setup = setup_with(|router| router.handshake_timeout(Duration::from_millis(200))).await;
    let mut bytes = preface();
    for socket in 0..SOCKETS {
        bytes.extend(frame2(1, 4, socket * 2 + 1, &handshake()));
        // 256 KiB each; the kernel buffers a few MiB.
        bytes.extend(frame2(0, 0, socket * 2 + 1, &frame(0x81, b"flood")));
    }
    let raw = setup.server.raw().await;
    let mut raw = raw.0;
    raw.write_all(&bytes).await.unwrap();
    for _ in 0..SOCKETS {
        assert_eq!(setup.reason().await, CloseReason::Overflow);
    }
    // The server ignores unknown frames while the connection lives.
    let ended = async {
        while raw.write_all(&frame2(0xbb, 0, 0, &[])).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, ended).await.expect("the connection ends");
}
