//! Tests of the whole transport: the end of the handshake, and reads and writes of any size.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::task::JoinHandle;

use super::super::*;

/// The challenge of the draft's introduction.
fn challenge() -> Challenge {
    let request = hyper::Request::get("/demo")
        .header("host", "example.com")
        .header("connection", "Upgrade")
        .header("upgrade", "WebSocket")
        .header("sec-websocket-key1", "4 @1  46546xW%0l 1 5")
        .header("sec-websocket-key2", "12998 5 Y3 1  .P00");
    let options = crate::Options { legacy: true, ..crate::Options::DEFAULT };
    let parts = request.body(()).unwrap().into_parts().0;
    crate::upgrade::check(&parts, &options).unwrap().challenge().unwrap()
}

const KEY3: &[u8; 8] = b"^n:ds[4U";
const CHALLENGE_RESPONSE: &[u8; 16] = b"8jKS'y:G*Co,Wxa-";

fn start_handshake(
    buffer: usize,
    input: &[u8],
) -> (DuplexStream, JoinHandle<io::Result<HixieTransport<DuplexStream>>>) {
    let (client, server) = duplex(buffer);
    (client, tokio::spawn(HixieTransport::handshake(server, input.to_vec(), challenge(), 1000)))
}

async fn read_response(client: &mut DuplexStream) -> [u8; 16] {
    let mut read_response = [0; 16];
    client.read_exact(&mut read_response).await.unwrap();
    read_response
}

#[tokio::test]
async fn keys_cut_anywhere() {
    for early in 0..=8 {
        let (mut client, accepted) = start_handshake(5, &KEY3[..early]);
        for byte in &KEY3[early..] {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(&read_response(&mut client).await, CHALLENGE_RESPONSE, "{early} bytes with the head");
        accepted.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn bytes_after_the_keys_are_read() {
    let (mut client, accepted) = start_handshake(100, b"^n:ds[4U\x00a\xff\x00b");
    client.write_all(b"c\xff").await.unwrap();
    assert_eq!(&read_response(&mut client).await, CHALLENGE_RESPONSE);
    let mut stream = accepted.await.unwrap().unwrap();
    let mut frames = [0; 200];
    let len = stream.read(&mut frames).await.unwrap();
    assert_eq!(frames[..len], *b"\x81\x81\0\0\0\0a\x01\x81\0\0\0\0b");
    let len = stream.read(&mut frames).await.unwrap();
    assert_eq!(frames[..len], *b"\x80\x81\0\0\0\0c");
    drop(client);
    assert_eq!(stream.read(&mut frames).await.unwrap(), 0);
}

#[tokio::test]
async fn handshake_fails_if_the_client_disconnects() {
    let (mut client, accepted) = start_handshake(100, b"^n");
    client.write_all(b":ds[").await.unwrap();
    drop(client);
    assert_eq!(accepted.await.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

async fn accepted(buffer: usize) -> (DuplexStream, HixieTransport<DuplexStream>) {
    let (mut client, accepted) = start_handshake(buffer, KEY3);
    assert_eq!(&read_response(&mut client).await, CHALLENGE_RESPONSE);
    (client, accepted.await.unwrap().unwrap())
}

/// No output is lost, repeated or stored, for any size of the socket's buffer.
#[tokio::test]
async fn frames_pass_through_a_tiny_buffer() {
    for buffer in [1, 2, 3, 7, 64, 100_000] {
        let (mut client, mut stream) = accepted(buffer).await;
        let (mut frames, mut expect) = (Vec::new(), Vec::new());
        for len in [0_usize, 1, 125, 126, 20_000, 0, 70_000] {
            let text = "abcdefg".repeat(len / 7 + 1);
            let text = &text.as_bytes()[..len];
            frames.extend(b"\x89\x02hi\x82\x01b");
            frames.extend([0x81, 127]);
            frames.extend((len as u64).to_be_bytes());
            frames.extend(text);
            expect.extend([b"\x00", text, b"\xff"].concat());
        }
        frames.extend(b"\x88\x02\x03\xe8");
        expect.extend(b"\xff\x00");
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            all
        });
        stream.write_all(&frames).await.unwrap();
        stream.flush().await.unwrap();
        assert!(stream.pending.capacity() == 0, "written output holds memory");
        stream.shutdown().await.unwrap();
        assert!(reader.await.unwrap() == expect, "through {buffer} bytes");
    }
}

#[tokio::test]
async fn unread_output_stays_in_the_outbox() {
    let (mut client, stream) = accepted(64).await;
    let (_, mut write) = split(stream);
    let mut frame = vec![0x81, 127];
    frame.extend(1_000_000_u64.to_be_bytes());
    frame.resize(1_000_010, b'x');
    let taken = poll_fn(|task| {
        let mut taken = 0;
        while let Poll::Ready(len) = Pin::new(&mut write).poll_write(task, &frame[taken..]) {
            taken += len.unwrap();
        }
        Poll::Ready(taken)
    });
    let taken = taken.await;
    assert!((MAX_PENDING..MAX_PENDING + 200).contains(&taken), "{taken} bytes were taken");
    let mut read = vec![0; 64];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!((read[0], read[63]), (0x00, b'x'));
}

#[tokio::test]
async fn write_fails_after_disconnect() {
    let (client, mut stream) = accepted(64).await;
    drop(client);
    assert!(stream.write_all(b"\x81\x01a").await.is_err());
}

#[tokio::test]
async fn error_follows_the_frames_before_it() {
    let (mut client, mut stream) = accepted(100).await;
    client.write_all(b"\x00a\xff\x80\xff\xff\xff\x7f\x00b\xff").await.unwrap();
    let mut frames = [0; 100];
    let len = stream.read(&mut frames).await.unwrap();
    assert_eq!(frames[..len], *b"\x81\x81\0\0\0\0a");
    let error = stream.read(&mut frames).await.unwrap_err();
    assert!(error.get_ref().is_some_and(|source| source.is::<crate::ProtocolError>()), "{error}");
    // Later bytes are returned unchanged, so that the engine can find the end.
    client.write_all(b"more").await.unwrap();
    assert_eq!(stream.read(&mut frames).await.unwrap(), 4);
    drop(client);
    assert_eq!(stream.read(&mut frames).await.unwrap(), 0);
}
