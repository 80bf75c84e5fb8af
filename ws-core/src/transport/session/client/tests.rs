//! The vectors of docs/session_protocol.md, from the client's side.

use futures_util::StreamExt;
use serde_json::{Map, Value};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tungstenite::protocol::Role;

use super::*;

const PROTOCOL_PAGE: &str = include_str!("../../../../docs/session_protocol.md");

/// The key of the page's frames.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Returns the only member of an object, and the frame of the row.
fn rows(from: &str) -> Vec<(String, Value, Vec<u8>)> {
    let section = PROTOCOL_PAGE.split("## Test vectors").nth(1).unwrap();
    let begin = format!("| {from} | `{{");
    let lines = section.lines().filter(|line| line.starts_with(&begin) && line.matches(" | ").count() == 2);
    lines
        .map(|line| {
            let cells: Vec<_> =
                line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
            let object: Map<String, Value> = serde_json::from_str(cells[1]).unwrap();
            let (name, value) = object.into_iter().next().unwrap();
            (name, value, from_hex(cells[2]))
        })
        .collect()
}

#[tokio::test]
async fn client_reads_the_vectors_of_servers() {
    let rows = rows("server");
    assert_eq!(rows.len(), 6);
    for (name, value, frames) in rows {
        let (io, mut server) = tokio::io::duplex(1 << 10);
        server.write_all(&frames).await.unwrap();
        let mut stream = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
        let Message::Text(text) = stream.next().await.unwrap().unwrap() else { panic!("no text") };
        let expect = match (name.as_str(), &value) {
            ("ack", number) => ServerObject::Ack(number.as_u64().unwrap()),
            ("reconnect", millis) => ServerObject::Reconnect(Duration::from_millis(millis.as_u64().unwrap())),
            ("text", text) => ServerObject::Text(text.as_str().unwrap().to_owned()),
            _ => ServerObject::Unknown,
        };
        assert_eq!(ServerObject::parse(&text).unwrap().unwrap(), expect, "{name}");
    }
}

/// Returns the payload of frames, which are shorter than 126 bytes. Those of a client have the key of the page.
fn payload(mut frames: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    while let [_, len, rest @ ..] = frames {
        let (is_masked, len) = (len & 0x80 > 0, usize::from(len & 0x7f));
        let (key, rest) = if is_masked { (KEY, &rest[4..]) } else { ([0; 4], rest) };
        payload.extend(rest[..len].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        frames = &rest[len..];
    }
    payload
}

/// A text may be in fragments, unlike that of the page.
#[test]
fn client_sends_the_vectors_of_clients() {
    let rows = rows("client");
    assert_eq!(rows.len(), 5);
    for (name, value, frames) in rows {
        let mut sent = Vec::new();
        match value.as_str() {
            Some(text) => {
                let mut unacknowledged = Downlink::new(1 << 10);
                let message = [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
                assert_eq!(unacknowledged.push_frames(&message), message.len());
                sent.extend(unacknowledged.unsent(true));
            }
            None => append_frame(&mut sent, &name, &value.to_string()),
        }
        assert_eq!(payload(&sent), payload(&frames), "{name}");
    }
}

#[test]
fn resume_offer_is_that_of_the_page() {
    let token = super::super::Token::parse("AAECAwQFBgcICQoLDA0ODw").unwrap();
    let lost = LostConnection { token, received: 1, kind: ErrorKind::UnexpectedEof };
    assert!(PROTOCOL_PAGE.contains(&format!("`{}`", lost.resume_offer())));
}

/// Creates a session with a connection, and room for one message of four bytes.
async fn session(buffer_of_server: usize) -> (ClientSession<DuplexStream>, DuplexStream) {
    let (io, server) = duplex(1 << 10);
    let stream = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    let token = super::super::Token::parse("AAECAwQFBgcICQoLDA0ODw").unwrap();
    let resume = Duration::from_secs(30);
    let (is_resumed, received, subprotocol) = (false, 0, None);
    let greeting = ClientGreeting { token, is_resumed, received, resume, buffer: 0, subprotocol };
    let connection = SessionConnection { stream, greeting };
    let mut session = ClientSession::new(Arc::new(ClientLink::new()), connection, Arc::default(), 6);
    session.greeting.buffer = buffer_of_server;
    (session, server)
}

/// A server whose quarter of the buffer exceeds that of the client acknowledges too late. Its messages are kept no longer,
/// but those that a lost connection may lack are.
#[tokio::test]
async fn only_a_connection_evicts_messages() {
    let mut task = TaskContext::from_waker(std::task::Waker::noop());
    let frame = b"\x82\x041234";
    for (buffer, is_lost, takes) in [(24, false, false), (28, false, true), (28, true, false)] {
        let (mut session, _server) = session(buffer).await;
        assert!(Pin::new(&mut session).poll_write(&mut task, frame).is_ready());
        assert!(Pin::new(&mut session).poll_flush(&mut task).is_ready());
        if is_lost {
            session.detach(ErrorKind::UnexpectedEof, &task);
        }
        assert_eq!(Pin::new(&mut session).poll_write(&mut task, frame).is_ready(), takes);
        assert_eq!(session.unacknowledged.keeps(0), !takes);
    }
}
