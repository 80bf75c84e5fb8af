use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Body;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::events::EventWriter;
use super::*;
use crate::options::Options;
use crate::wire::{Connection, InboundMessage};

/// Returns the messages that a client of the WHATWG's standard reads from a stream.
fn parse_events(stream: &str) -> Vec<String> {
    let (mut events, mut data) = (Vec::new(), None::<String>);
    for line in stream.split('\n') {
        match line.split_once(':') {
            Some(("data", value)) => {
                let value = value.strip_prefix(' ').unwrap_or(value);
                data = Some(data.map_or_else(|| value.to_owned(), |data| format!("{data}\n{value}")));
            }
            Some(("", _)) => {}
            None if line.is_empty() => events.extend(data.take()),
            _ => panic!("unexpected line {line:?}"),
        }
    }
    assert_eq!(data, None, "an event has no end");
    events
}

#[track_caller]
fn check_event(text: &str, expect: &str) {
    for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
        let (mut writer, mut out) = (EventWriter::default(), Vec::new());
        writer.write(&text.as_bytes()[..at], false, &mut out);
        assert!(writer.is_in_event());
        writer.write(&text.as_bytes()[at..], true, &mut out);
        assert!(!writer.is_in_event());
        assert_eq!(String::from_utf8(out).unwrap(), expect, "cut at {at}");
    }
}

#[test]
fn lines_of_a_text_are_lines_of_data() {
    check_event("hello", "data: hello\n\n");
    check_event("", "data: \n\n");
    check_event("a\nb", "data: a\ndata: b\n\n");
    check_event("a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n");
    check_event("\n\r\r\n", "data: \ndata: \ndata: \ndata: \n\n");
    check_event("κ: é", "data: κ: é\n\n");
}

#[test]
fn cr_at_the_end_of_an_event_is_not_part_of_the_next() {
    let (mut writer, mut out) = (EventWriter::default(), Vec::new());
    writer.write(b"a\r", true, &mut out);
    writer.write(b"\nb", true, &mut out);
    assert_eq!(out, b"data: a\ndata: \n\ndata: \ndata: b\n\n");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn events_are_read_as_they_were_written(
        texts in prop::collection::vec("[a\\r\\n: é]{0,20}", 0..5),
        cuts in prop::collection::vec(0..20_usize, 5),
    ) {
        let (mut writer, mut out) = (EventWriter::default(), Vec::new());
        for (text, cut) in texts.iter().zip(cuts) {
            let (first, rest) = text.as_bytes().split_at(cut.min(text.len()));
            writer.write(first, false, &mut out);
            writer.write(rest, true, &mut out);
        }
        let expect: Vec<String> =
            texts.iter().map(|text| text.replace("\r\n", "\n").replace('\r', "\n")).collect();
        prop_assert_eq!(parse_events(&String::from_utf8(out).unwrap()), expect);
    }
}

/// Returns what the engine reads from a client's bytes.
fn read_by_engine(bytes: Vec<u8>) -> (Vec<String>, Option<crate::CloseReason>) {
    let mut wire = Connection::new(Arc::new(Options::DEFAULT), Vec::new(), Instant::now());
    let (mut bytes, mut read) = (bytes, Vec::new());
    let mut input = &mut bytes[..];
    while let Some(message) = wire.next_message(&mut input) {
        let InboundMessage::Text(text) = message else { panic!("not text: {message:?}") };
        read.push(text.into_owned());
    }
    (read, wire.close_reason().cloned())
}

#[test]
fn engine_reads_the_client_frames() {
    for len in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
        let text = "x".repeat(len);
        let (read, closed) = read_by_engine([text_frame(text.as_bytes()), close_frame()].concat());
        assert_eq!(read, [text]);
        assert!(
            matches!(closed, Some(crate::CloseReason::Remote(Some(close))) if u16::from(close.code) == 1000)
        );
    }
    assert_eq!(read_by_engine(text_frame(b"caf\xc3")).0, [""; 0]);
}

async fn next_frame(body: &mut (impl Body<Data = Bytes, Error = crate::BoxError> + Unpin)) -> Option<String> {
    let frame = poll_fn(|task| Pin::new(&mut *body).poll_frame(task)).await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn event_body_answers_a_ping_after_the_comment_was_taken() {
    let (client, mut server) = FrameClient::new();
    let mut body = EventBody::new(client);
    // A binary message, a text in two fragments with a ping between them, and a ping.
    server.write_all(b"\x82\x01x\x01\x02a\n\x89\x01p\x80\x01b\x89\x01q").await.unwrap();
    assert_eq!(next_frame(&mut body).await.unwrap(), "data: a\ndata: b\n\n:\n\n");
    let mut pong = [0; 7];
    server.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, *b"\x8a\x81\0\0\0\0p", "the ping inside the message is answered at once");
    assert!(tokio::time::timeout(std::time::Duration::from_secs(1), server.read_u8()).await.is_err());
    server.write_all(b"\x88\x02\x03\xe8\x81\x01z").await.unwrap();
    assert_eq!(next_frame(&mut body).await, None);
    assert!(body.is_end_stream());
    assert_eq!(next_frame(&mut body).await, None);
}

#[tokio::test]
async fn first_message_is_the_whole_body() {
    let (mut client, mut server) = FrameClient::new();
    server.write_all(b"\x89\x00\x81\x03one\x81\x03two").await.unwrap();
    let first = client.next_part().await.unwrap();
    let mut body = ReplyBody::first(client, first, std::time::Duration::from_secs(1));
    assert_eq!(body.size_hint().exact(), Some(3));
    assert_eq!(next_frame(&mut body).await.unwrap(), "one");
    assert!(body.is_end_stream());
    assert_eq!(next_frame(&mut body).await, None);
    let mut sent = [0; 6 + 8];
    server.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent, *b"\x8a\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8");
    // The close frame of the engine is read, and the client is gone then.
    server.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    assert!(server.read_u8().await.is_err());
}

#[tokio::test]
async fn length_of_a_fragmented_message_is_unknown() {
    let (mut client, mut server) = FrameClient::new();
    server.write_all(b"\x01\x03one\x80\x03two").await.unwrap();
    let first = client.next_part().await.unwrap();
    let mut body = ReplyBody::first(client, first, std::time::Duration::from_secs(1));
    assert_eq!(body.size_hint().exact(), None);
    assert_eq!(next_frame(&mut body).await.unwrap(), "one");
    assert_eq!(next_frame(&mut body).await.unwrap(), "two");
    assert_eq!(next_frame(&mut body).await, None);
}

#[tokio::test]
async fn all_messages_are_lines_until_the_close() {
    let (mut client, mut server) = FrameClient::new();
    server.write_all(b"\x81\x03one\x81\x00\x81\x03two\x88\x02\x03\xe8").await.unwrap();
    let first = client.next_part().await.unwrap();
    let mut body = ReplyBody::all(client, first.bytes, first.is_last);
    assert_eq!(body.size_hint().exact(), None);
    let mut all = String::new();
    while let Some(part) = next_frame(&mut body).await {
        all += &part;
    }
    assert_eq!(all, "one\n\ntwo");
}

#[tokio::test]
async fn failure_after_a_message_breaks_the_body() {
    // An error, half of a message before a close, and the end without a close.
    for end in [&b"\x88\x06\x03\xf3oops"[..], b"\x01\x01x\x88\x02\x03\xe8", b""] {
        let (mut client, mut server) = FrameClient::new();
        server.write_all(&[b"\x81\x03one", end].concat()).await.unwrap();
        let first = client.next_part().await.unwrap();
        drop(server);
        let mut body = ReplyBody::all(client, first.bytes, first.is_last);
        let mut result = Ok(());
        while let Some(frame) = poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
            result = result.and(frame.map(drop));
        }
        assert!(result.is_err(), "{end:?}");
    }
}

#[tokio::test]
async fn frames_may_be_split_anywhere() {
    let stream = b"\x81\x03one\x01\x02tw\x80\x01o\x81\x00\x88\x06\x03\xf3oops";
    for at in 0..=stream.len() {
        let (mut client, mut server) = FrameClient::new();
        let (first, rest) = stream.split_at(at);
        let write = async {
            server.write_all(first).await.unwrap();
            tokio::task::yield_now().await;
            server.write_all(rest).await.unwrap();
        };
        let read = async {
            let mut texts = Vec::new();
            loop {
                match client.next_part().await {
                    Ok(part) => {
                        if part.is_first {
                            texts.push(String::new());
                        }
                        *texts.last_mut().unwrap() += std::str::from_utf8(&part.bytes).unwrap();
                    }
                    Err(close) => return (texts, close),
                }
            }
        };
        let ((), (texts, close)) = tokio::join!(write, read);
        assert_eq!(texts, ["one", "two", ""], "cut at {at}");
        assert_eq!(close, ServerClose { code: Some(1011), reason: "oops".into() });
    }
}
