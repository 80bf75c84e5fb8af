//! What a server sends is bounded.

use super::*;
use crate::close::ProtocolError;

/// Returns the error of the only attempt.
async fn fail(client: Client) -> ConnectError {
    client.reconnect(|_: &Disconnect<'_>| None).run(Logger::default).await.unwrap_err()
}

/// Returns the reason for which the only connection ended.
async fn end(client: Client) -> CloseReason {
    client.reconnect(|_: &Disconnect<'_>| None).run(Logger::default).await.unwrap().reason
}

/// Writes until the client closes. Returns how many bytes the stream took.
async fn write_forever(io: &mut DuplexStream, bytes: &[u8]) -> usize {
    let mut written = 0;
    while io.write_all(bytes).await.is_ok() {
        written += bytes.len();
    }
    written
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_response_is_bounded() {
    for line in ["x-long: ", ""] {
        let log = Log::default();
        let server_log = log.clone();
        let error = fail(client(move |_, mut io| {
            let log = server_log.clone();
            async move {
                read_head(&mut io).await;
                io.write_all(format!("HTTP/1.1 101 x\r\n{line}").as_bytes()).await.unwrap();
                log.add(write_forever(&mut io, &[b'x'; 1000]).await);
            }
        }))
        .await;
        assert!(matches!(error, ConnectError::Http(_)), "{error}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        // 64 KiB of them wait in the stream itself.
        let written: usize = log.entries()[0].parse().unwrap();
        assert!(written <= (64 << 10) + (32 << 10), "{written}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_headers_of_a_response_are_counted() {
    let error = fail(client(|_, mut io| async move {
        read_head(&mut io).await;
        let headers = "x: y\r\n".repeat(101);
        io.write_all(format!("HTTP/1.1 101 x\r\n{headers}\r\n").as_bytes()).await.unwrap();
        wait_closed(&mut io).await;
    }))
    .await;
    assert!(matches!(error, ConnectError::Http(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn another_protocol_is_an_error() {
    let error = fail(client(|_, mut io| async move {
        io.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
        wait_closed(&mut io).await;
    }))
    .await;
    assert!(matches!(error, ConnectError::Http(_)), "{error}");
    let error = fail(client(|_, io| async move { drop(io) })).await;
    assert!(matches!(error, ConnectError::Http(_) | ConnectError::Io(_)) && !error.is_permanent(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_refusal_is_cut() {
    let began = Instant::now();
    let error = fail(client(|_, mut io| async move {
        read_head(&mut io).await;
        io.write_all(b"HTTP/1.1 503 x\r\n\r\n").await.unwrap();
        write_forever(&mut io, &[b'x'; 1000]).await;
    }))
    .await;
    assert!(matches!(&error, ConnectError::Rejected { body, .. } if body.len() == 8 << 10), "{error}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    let error = fail(client(|_, mut io| async move {
        read_head(&mut io).await;
        io.write_all(b"HTTP/1.1 503 x\r\ncontent-length: 10\r\n\r\nbusy").await.unwrap();
        wait_closed(&mut io).await;
    }))
    .await;
    assert!(matches!(&error, ConnectError::Rejected { body, .. } if **body == *b"busy"), "{error}");
    assert_eq!(
        (error.status(), began.elapsed()),
        (Some(StatusCode::SERVICE_UNAVAILABLE), Duration::from_secs(1))
    );
}

/// Checks the end of a connection whose server sends these bytes, and the code of the client's close frame.
async fn check_frames(bytes: &'static [u8], expect: ProtocolError, code: u16) {
    let log = Log::default();
    let server_log = log.clone();
    let reason = end(client(move |_, io| {
        let log = server_log.clone();
        async move {
            let mut io = accept_raw(io).await;
            io.write_all(bytes).await.unwrap();
            let mut frame = [0; 8];
            io.read_exact(&mut frame).await.unwrap();
            assert_eq!((frame[0], frame[1] & 0x80), (0x88, 0x80), "a close frame, masked");
            let byte = |index: usize| frame[6 + index] ^ frame[2 + index];
            log.add(u16::from_be_bytes([byte(0), byte(1)]));
        }
    }))
    .await;
    assert_eq!(reason, CloseReason::Protocol(expect));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.entries(), [code.to_string()]);
}

#[tokio::test(start_paused = true)]
async fn messages_are_bounded() {
    // The header announces 1,025 bytes; no byte of the payload follows.
    check_frames(b"\x82\x7e\x04\x01", ProtocolError::MessageTooBig, 1009).await;
    check_frames(b"\x82\x7f\x00\x00\x7f\xff\xff\xff\xff\xff", ProtocolError::MessageTooBig, 1009).await;
    check_frames(b"\x81\x81\0\0\0\0x", ProtocolError::BadFrame("frame is masked"), 1002).await;
    check_frames(b"\xc1\x01x", ProtocolError::BadFrame("reserved bits are set"), 1002).await;
    check_frames(b"\x81\x01\xff", ProtocolError::BadEncoding, 1007).await;
}

#[tokio::test(start_paused = true)]
async fn fragments_are_bounded_together() {
    let reason = end(client(|_, io| async move {
        let mut io = accept_raw(io).await;
        io.write_all(b"\x01\x01x").await.unwrap();
        write_forever(&mut io, &[&[0, 100][..], &[b'x'; 100]].concat()).await;
    }))
    .await;
    assert_eq!(reason, CloseReason::Protocol(ProtocolError::MessageTooBig));
}

/// A handler that takes messages in parts, without a limit of its own.
#[websocket]
#[derive(Default)]
struct Parts(usize);

#[websocket]
impl Parts {
    #[on_part]
    fn part(&mut self, part: Part<'_>) {
        self.0 += part.bytes().len();
    }
}

/// The stream assembles messages, so that those of a handler with parts have a limit too.
#[tokio::test(start_paused = true)]
async fn messages_in_parts_are_bounded() {
    let client = client(|_, io| async move {
        let mut io = accept_raw(io).await;
        io.write_all(b"\x82\x7f\0\0\0\0\x04\0\0\x01").await.unwrap();
        wait_closed(&mut io).await;
    });
    let ended = client.reconnect(|_: &Disconnect<'_>| None).run(Parts::default).await.unwrap();
    assert_eq!(ended.reason, CloseReason::Protocol(ProtocolError::MessageTooBig));
}

#[tokio::test(start_paused = true)]
async fn pings_are_limited_and_answered() {
    let log = Log::default();
    let server_log = log.clone();
    let reason = end(client(move |_, io| {
        let log = server_log.clone();
        async move {
            let mut io = accept_raw(io).await;
            io.write_all(b"\x89\x01x").await.unwrap();
            let mut pong = [0; 7];
            io.read_exact(&mut pong).await.unwrap();
            log.add(format!("{:02x} {:02x} {}", pong[0], pong[1], pong[6] ^ pong[2]));
            let (mut read, mut write) = tokio::io::split(io);
            let discard = tokio::spawn(async move { read.read_to_end(&mut Vec::new()).await });
            while write.write_all(b"\x89\x01x").await.is_ok() {}
            _ = discard.await;
        }
    }))
    .await;
    assert_eq!(log.entries(), ["8a 81 120"]);
    assert_eq!(reason, CloseReason::Protocol(ProtocolError::LimitExceeded));
}

/// RFC 6455 §5.3: a proxy must not be able to guess the key of the next frame.
#[tokio::test(start_paused = true)]
async fn frames_have_keys_of_their_own() {
    let log = Log::default();
    let server_log = log.clone();
    end(client(move |_, io| {
        let log = server_log.clone();
        async move {
            let mut io = accept_raw(io).await;
            for _ in 0..8 {
                io.write_all(b"\x89\x02hi").await.unwrap();
                let mut pong = [0; 8];
                io.read_exact(&mut pong).await.unwrap();
                assert_eq!((pong[1], pong[6] ^ pong[2], pong[7] ^ pong[3]), (0x82, b'h', b'i'));
                log.add(u32::from_be_bytes([pong[2], pong[3], pong[4], pong[5]]));
            }
        }
    }))
    .await;
    let mut keys = log.entries();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 8);
}

/// A server that reads nothing does not stop the client from reading. The client's pongs are bounded then.
#[tokio::test(start_paused = true)]
async fn pongs_to_a_server_that_reads_nothing_are_bounded() {
    let log = Log::default();
    let server_log = log.clone();
    let reason = end(client(move |_, io| {
        let log = server_log.clone();
        async move {
            let mut io = accept_raw(io).await;
            let ping = [&[0x89, 125][..], &[b'x'; 125]].concat();
            let mut pings = 0;
            while pings < 5000 {
                let write = io.write_all(&ping);
                if !matches!(tokio::time::timeout(Duration::from_secs(1), write).await, Ok(Ok(()))) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                pings += 1;
            }
            log.add(pings);
            std::future::pending::<()>().await;
        }
    }))
    .await;
    assert_eq!(reason, CloseReason::PongTimeout);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The stream takes 500 pongs, and the client a few. 450 pings follow until the client gives up.
    let pings: usize = log.entries()[0].parse().unwrap();
    assert!((800..1300).contains(&pings), "{pings}");
}

/// RFC 6455 §7.1.1: the server closes TCP first, so that the address is not in use afterwards.
#[tokio::test(start_paused = true)]
async fn a_client_waits_for_the_server_to_close() {
    let log = Log::default();
    let server_log = log.clone();
    let client = client(move |number, io| {
        let log = server_log.clone();
        async move {
            let mut io = accept_raw(io).await;
            io.write_all(b"\x88\x02\x03\xe8").await.unwrap();
            let mut close = [0; 8];
            io.read_exact(&mut close).await.unwrap();
            let began = Instant::now();
            io.write_all(&[b'x'; 70_000]).await.unwrap();
            // The second server does not close.
            let limit = Duration::from_secs(if number == 1 { 2 } else { 60 });
            let end = tokio::time::timeout(limit, wait_closed(&mut io)).await;
            log.add(format!("{} {}", end.is_err(), began.elapsed().as_secs()));
        }
    });
    let policy = |disconnect: &Disconnect<'_>| (disconnect.attempt == 1).then_some(Duration::ZERO);
    let ended = client.reconnect(policy).run(Logger::default).await.unwrap();
    assert_eq!(ended.reason, CloseReason::Remote(Some(Close::default())));
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The client waits for `close_timeout`.
    assert_eq!(log.entries(), ["true 2", "false 5"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_pinged_and_left() {
    let began = Instant::now();
    let reason = end(client(|_, io| async move {
        let mut io = accept_raw(io).await;
        let mut header = [0; 2];
        io.read_exact(&mut header).await.unwrap();
        assert_eq!(header[0], 0x89);
        wait_closed(&mut io).await;
    }))
    .await;
    assert_eq!(reason, CloseReason::PongTimeout);
    // `ping_interval`, `pong_timeout` and `close_timeout`.
    assert_eq!(began.elapsed(), Duration::from_secs(25 + 20 + 5));
}
