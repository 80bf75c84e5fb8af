//! Tests of the transport alone: the bytes that the engine reads and writes.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tungstenite::protocol::{CloseFrame, Role};

use super::*;
use crate::wire::testing::frame;

/// Returns the client's end and a transport of a server.
async fn transport() -> (DuplexStream, TungsteniteTransport<DuplexStream>) {
    let (peer_io, driver_io) = duplex(1 << 20);
    let stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, None).await;
    (peer_io, TungsteniteTransport::new(stream, Arc::default()))
}

/// Awaits a future that should complete soon.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(5), future).await.expect("the future did not complete")
}

/// Checks the frame that the engine reads when a client sends a frame: the masking key is zero.
#[track_caller]
fn check(first: u8, payload: &[u8], header: &[u8]) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for at_once in [1, 3, 1 << 20] {
            let (mut peer_io, mut transport) = transport().await;
            peer_io.write_all(&frame(first, payload)).await.unwrap();
            let mut read = Vec::new();
            while read.len() < header.len() + 4 + payload.len() {
                let mut part = vec![0; at_once];
                let len = soon(transport.read(&mut part)).await.unwrap();
                assert_ne!(len, 0, "{caller}: {read:02x?}");
                read.extend_from_slice(&part[..len]);
            }
            assert_eq!(read, [header, &[0; 4], payload].concat(), "{caller}");
        }
    }
}

#[tokio::test]
async fn messages_become_frames() {
    check(0x81, b"hello", &[0x81, 0x85]).await;
    check(0x82, &[], &[0x82, 0x80]).await;
    check(0x82, &[7; 125], &[0x82, 0xfd]).await;
    check(0x82, &[7; 126], &[0x82, 0xfe, 0, 126]).await;
    check(0x82, &[7; 65_536], &[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]).await;
    check(0x89, b"ping", &[0x89, 0x84]).await;
    check(0x8a, b"pong", &[0x8a, 0x84]).await;
    check(0x88, &[], &[0x88, 0x80]).await;
    check(0x88, b"\x03\xe9bye", &[0x88, 0x85]).await;
}

/// Checks the error that the engine reads when a client sends the bytes.
#[track_caller]
fn check_protocol_error(bytes: &[u8], expect: ProtocolError) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let bytes = bytes.to_vec();
    async move {
        let (mut peer_io, mut transport) = transport().await;
        peer_io.write_all(&bytes).await.unwrap();
        let error = transport.read_u8().await.expect_err("the bytes violate the protocol");
        let fault = error.get_ref().and_then(|source| source.downcast_ref());
        assert_eq!(fault, Some(&expect), "{caller}: {error}");
        // A close frame can still be sent.
        transport.write_all(b"\x88\x02\x03\xea").await.unwrap();
        let mut close = [0; 4];
        soon(peer_io.read_exact(&mut close)).await.unwrap();
        assert_eq!(close, *b"\x88\x02\x03\xea", "{caller}");
        // The transport returns all later bytes unchanged.
        peer_io.write_all(b"junk").await.unwrap();
        drop(peer_io);
        let mut remaining = Vec::new();
        soon(transport.read_to_end(&mut remaining)).await.unwrap();
        assert_eq!(remaining, b"junk", "{caller}");
    }
}

#[tokio::test]
async fn protocol_errors_match_the_engine() {
    let two = |one: &[u8], other: &[u8]| [one, other].concat();
    check_protocol_error(&frame(0x83, b"x"), ProtocolError::BadFrame("opcode is unknown")).await;
    check_protocol_error(&frame(0x8b, b"x"), ProtocolError::BadFrame("opcode is unknown")).await;
    check_protocol_error(&frame(0xc1, b"x"), ProtocolError::BadFrame("reserved bits are set")).await;
    check_protocol_error(b"\x81\x01x", ProtocolError::BadFrame("frame is not masked")).await;
    check_protocol_error(&frame(0x80, b"x"), ProtocolError::BadFrame("continuation without a message")).await;
    let inside = ProtocolError::BadFrame("new message inside a fragmented one");
    check_protocol_error(&two(&frame(0x01, b"x"), &frame(0x81, b"x")), inside).await;
    check_protocol_error(&frame(0x09, b"x"), ProtocolError::BadFrame("fragmented control frame")).await;
    check_protocol_error(&frame(0x89, &[0; 126]), ProtocolError::BadFrame("control frame is too long")).await;
    check_protocol_error(&frame(0x88, &[3]), ProtocolError::BadFrame("close frame with an incomplete code"))
        .await;
    check_protocol_error(&frame(0x88, b"\x03\xe8\xff"), ProtocolError::BadEncoding).await;
    check_protocol_error(&frame(0x81, b"\xff"), ProtocolError::BadEncoding).await;
    check_protocol_error(&two(&frame(0x01, b"x"), &frame(0x80, b"\xff")), ProtocolError::BadEncoding).await;
    check_protocol_error(b"\x82\xff\0\0\0\0\xff\0\0\0\0\0\0\0", ProtocolError::MessageTooBig).await;
}

/// Each ping is answered before the next is read, so that the stream queues only one pong.
#[tokio::test]
async fn reading_stops_while_a_pong_is_queued() {
    let (mut peer_io, driver_io) = duplex(64);
    let stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, None).await;
    let mut transport = TungsteniteTransport::new(stream, Arc::default());
    let mut read = 0;
    let reading = async {
        loop {
            let mut part = [0; 256];
            read += transport.read(&mut part).await.unwrap();
        }
    };
    let writing = async {
        for _ in 0..1000 {
            peer_io.write_all(&frame(0x89, &[0; 100])).await.unwrap();
        }
    };
    let stalled = Duration::from_millis(50);
    tokio::select! {
        () = writing => panic!("all pings were read"),
        () = reading => {}
        () = tokio::time::sleep(stalled) => {}
    }
    assert!(read <= 2 * 106, "{read} bytes of pings were read");
}

#[tokio::test]
async fn partial_frame_is_rejected() {
    let (_near, mut transport) = transport().await;
    for cut in [&b"\x81"[..], b"\x81\x05hell", b"\x82\x7e\0"] {
        let error = transport.write(cut).await.expect_err("the frame is incomplete");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(transport.write(b"\x81\x01\xff").await.unwrap_err().to_string(), "text is not UTF-8");
}

#[tokio::test]
async fn frames_become_messages_in_order() {
    let (peer_io, mut transport) = transport().await;
    let frames = b"\x81\x02hi\x82\x01\x07\x89\x01p\x8a\x01q\x8a\x01r\x88\x05\x0f\xa1bye";
    transport.write_all(frames).await.unwrap();
    let mut client = WebSocketStream::from_raw_socket(peer_io, Role::Client, None).await;
    let close = CloseFrame { code: 4001.into(), reason: "bye".into() };
    for expect in [
        Message::text("hi"),
        Message::binary(vec![7]),
        Message::Ping("p".into()),
        Message::Pong("q".into()),
        Message::Pong("r".into()),
        Message::Close(Some(close)),
    ] {
        assert_eq!(client.next().await.unwrap().unwrap(), expect);
    }
}

/// After its close reply, the stream does not flush the inner stream itself.
#[tokio::test]
async fn close_reply_is_flushed_through_a_buffered_stream() {
    let (peer_io, driver_io) = duplex(1 << 10);
    let stream = WebSocketStream::from_raw_socket(BufStream::new(driver_io), Role::Server, None).await;
    let mut transport = TungsteniteTransport::new(stream, Arc::default());
    let mut client = WebSocketStream::from_raw_socket(peer_io, Role::Client, None).await;
    client.send(Message::Close(None)).await.unwrap();
    assert_eq!(transport.read_u8().await.unwrap(), 0x88);
    transport.write_all(b"\x81\x04lost\x88\x00").await.unwrap();
    poll_fn(|task| Pin::new(&mut transport).poll_flush(task)).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::Close(None));
}
