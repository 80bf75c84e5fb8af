use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;

/// A frame of the server.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(payload.len()).unwrap()], payload].concat()
}

/// Returns what the client has sent.
fn read(channel: &SessionChannel) -> Vec<u8> {
    let mut bytes = [0; 64];
    let mut read = ReadBuf::new(&mut bytes);
    channel.read(&mut read);
    read.filled().to_vec()
}

/// Returns the events of frames, for a client that has the messages up to `received`.
async fn events(received: u64, frames: &[Vec<u8>]) -> String {
    let (events, mut server, _channel) = SessionEvents::new(received);
    server.write_all(&frames.concat()).await.unwrap();
    server.shutdown().await.unwrap();
    let mut body = SessionBody::new(events);
    let mut all = Vec::new();
    while let Some(frame) = poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
        all.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert!(body.is_end_stream());
    let all = String::from_utf8(all).unwrap();
    all.strip_prefix("retry: 1000\n\n").expect("the body begins with the time to wait").to_owned()
}

#[tokio::test]
async fn messages_are_numbered_events() {
    for (frames, expect) in [
        (vec![frame(0x81, b"hello")], "id: 8\ndata: hello\n\n"),
        (vec![frame(0x81, b"a\nb")], "id: 8\ndata: a\ndata: b\n\n"),
        (vec![frame(0x81, b"")], "id: 8\ndata: \n\n"),
        (vec![frame(0x82, b"hi")], "event: binary\nid: 8\ndata: aGk=\n\n"),
        (vec![frame(0x01, b"a"), frame(0x00, b""), frame(0x80, b"b")], "id: 8\ndata: ab\n\n"),
        (vec![frame(0x81, b"a\r\nb")], "event: session\nid: 8\ndata: {\"text\":\"a\\r\\nb\"}\n\n"),
        (
            vec![frame(0x81, b"\0{\"text\":\"\\u0000\"}"), frame(0x81, b"next")],
            "event: session\nid: 8\ndata: {\"text\":\"\\u0000\"}\n\nid: 9\ndata: next\n\n",
        ),
        (
            vec![frame(0x81, b"\0{\"ack\":3}"), frame(0x81, b"next")],
            "event: session\ndata: {\"ack\":3}\n\nid: 8\ndata: next\n\n",
        ),
        (
            vec![frame(0x88, b"\x0f\xa0bye")],
            "event: session\ndata: {\"close\":{\"code\":4000,\"reason\":\"bye\"}}\n\n",
        ),
        (vec![], ""),
    ] {
        assert_eq!(events(7, &frames).await, expect);
    }
}

#[tokio::test(start_paused = true)]
async fn ping_is_answered_after_the_comment_was_taken() {
    let (events, mut server, channel) = SessionEvents::new(0);
    server.write_all(&frame(0x89, b"")).await.unwrap();
    let mut body = SessionBody::new(events);
    let first = poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "retry: 1000\n\n:\n\n");
    assert_eq!(read(&channel), b"");
    assert!(
        timeout(Duration::from_secs(1), poll_fn(|task| Pin::new(&mut body).poll_frame(task))).await.is_err()
    );
    assert_eq!(read(&channel), b"\x8a\x80\0\0\0\0");
    // The session sees the loss of the client, although the channel lives.
    drop(body);
    assert!(timeout(Duration::from_secs(1), server.read_u8()).await.expect("the stream ends").is_err());
}

#[tokio::test(start_paused = true)]
async fn poll_ends_with_a_message() {
    let (mut events, mut server, _channel) = SessionEvents::new(0);
    server.write_all(&frame(0x81, b"\0{\"session\":{}}")).await.unwrap();
    let mut out = Vec::new();
    // A session that was resumed waits for a message.
    let poll = timeout(Duration::from_secs(25), events.poll(false, &mut out));
    assert!(poll.await.is_err());
    assert_eq!(out, b"event: session\ndata: {\"session\":{}}\n\n");
    server.write_all(&[frame(0x81, b"one"), frame(0x89, b""), frame(0x81, b"two")].concat()).await.unwrap();
    let mut out = Vec::new();
    timeout(Duration::from_secs(1), events.poll(false, &mut out)).await.expect("a message ends the poll");
    assert_eq!(out, b"id: 1\ndata: one\n\nid: 2\ndata: two\n\n");

    let (mut events, mut server, _channel) = SessionEvents::new(0);
    server.write_all(&frame(0x81, b"\0{\"session\":{}}")).await.unwrap();
    let mut out = Vec::new();
    timeout(Duration::from_secs(1), events.poll(true, &mut out)).await.expect("a new session ends the poll");
}

#[tokio::test]
async fn close_frame_is_answered() {
    let (events, mut server, channel) = SessionEvents::new(0);
    server.write_all(&frame(0x88, b"\x0f\xa0")).await.unwrap();
    let mut body = SessionBody::new(events);
    while poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await.is_some() {}
    tokio::task::yield_now().await;
    assert_eq!(read(&channel), b"\x88\x82\0\0\0\0\x03\xe8");
    server.shutdown().await.unwrap();
    assert!(server.read_u8().await.is_err());
}
