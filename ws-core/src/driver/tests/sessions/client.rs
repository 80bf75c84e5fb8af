//! A client of the session protocol over streams in memory, and the host of its session.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::now;
use crate::close::CloseReason;
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::context::Context;
use crate::driver::run;
use crate::driver::tests::peer::{Log, frame};
use crate::handler::Handler;
use crate::options::Options;
use crate::transport::session::{Attachment, Scope, SessionLink, SessionTransport, Sessions};
use crate::wire::Connection;

/// Returns the scope of a session's requests.
pub(super) fn scope(origin: Option<&str>, path: &str) -> Scope {
    Scope { origin: origin.map(Into::into), path: path.into() }
}

/// Returns the scope of the tests' sessions.
pub(super) fn own_scope() -> Scope {
    scope(Some("https://example.com"), "/")
}

/// A session and its client.
pub(super) struct Peer {
    pub(super) sessions: Arc<Sessions>,
    pub(super) link: Arc<SessionLink>,
    pub(super) log: mpsc::UnboundedReceiver<String>,
    pub(super) task: JoinHandle<CloseReason>,
    pub(super) connections: Arc<ConnectionTracker>,
    pub(super) token: String,
    pub(super) io: Option<DuplexStream>,
    /// The number of the last message from the server.
    pub(super) received: u64,
    /// The client's messages that are not acknowledged, and the number of the last one.
    unacknowledged: VecDeque<String>,
    pub(super) sent: u64,
    buffer: usize,
    /// The bytes from the current stream that are not a whole frame.
    partial: Vec<u8>,
    /// The opcode and the fragments of a message that is not complete.
    message: Vec<u8>,
}

/// What the client reads next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Read {
    Text(String),
    Object(Value),
    Ping,
    Close(u16),
    End,
}

/// Begins a session over a stream with `buffer` bytes in each direction.
pub(super) async fn begin<H: Handler>(buffer: usize, options: Options, make: impl FnOnce(Log) -> H) -> Peer {
    let (client, server) = duplex(buffer);
    let (log, events) = mpsc::unbounded_channel();
    let connections = Arc::<ConnectionTracker>::default();
    let permit = connections.admit(&ConnectionLimits::new(10), None).ok();
    let (sessions, options) = (Arc::<Sessions>::default(), Arc::new(options));
    let link = sessions.begin(&own_scope(), None).unwrap();
    let attachment = Attachment::new(Box::new(server), Vec::new(), 0, None);
    let io = SessionTransport::new(
        &sessions,
        Arc::clone(&link),
        attachment,
        Arc::clone(&options),
        Duration::from_secs(10),
    );
    let cx = Context::new(Connection::new(options, Vec::new(), now()), None, None);
    let task = tokio::spawn(run(make(log), cx, io, permit));
    let mut peer = Peer {
        sessions,
        link,
        log: events,
        task,
        connections,
        token: String::new(),
        io: Some(client),
        received: 0,
        unacknowledged: VecDeque::new(),
        sent: 0,
        buffer,
        partial: Vec::new(),
        message: Vec::new(),
    };
    let greeting = peer.object("session").await;
    assert_eq!((&greeting["resumed"], &greeting["received"]), (&Value::Bool(false), &0.into()));
    peer.token = greeting["token"].as_str().unwrap().to_owned();
    peer
}

impl Peer {
    pub(super) fn cut(&mut self) {
        self.io = None;
        self.forget_partial();
    }

    /// Connects again, over the session if it goes on. Returns false if it is over.
    pub(super) async fn resume(&mut self) -> bool {
        self.reattach() && self.greet().await
    }

    /// Reads the greeting, and sends again what the server lacks. Returns false if the connection is lost.
    pub(super) async fn greet(&mut self) -> bool {
        let greeting = match self.read().await {
            Read::Object(mut object) => object["session"].take(),
            Read::End => return false,
            other => panic!("expected a greeting, got {other:?}"),
        };
        assert_eq!((&greeting["resumed"], greeting["token"].as_str()), (&true.into(), Some(&*self.token)));
        let received = greeting["received"].as_u64().unwrap();
        let lost = usize::try_from(self.sent - received).unwrap();
        assert!(lost <= self.unacknowledged.len(), "the server acknowledged a message that it has not");
        self.unacknowledged.drain(..self.unacknowledged.len() - lost);
        for text in self.unacknowledged.clone() {
            self.raw(&frame(0x81, text.as_bytes())).await;
        }
        true
    }

    /// Attaches a new stream, and leaves its greeting unread.
    pub(super) fn reattach(&mut self) -> bool {
        let Some(link) = self.sessions.find(&self.token, &own_scope()) else { return false };
        let Some(reservation) = link.reserve(self.received) else { return false };
        let (client, server) = duplex(self.buffer);
        self.io = Some(client);
        self.forget_partial();
        reservation.attach(Attachment::new(Box::new(server), Vec::new(), self.received, None));
        true
    }

    /// Sets how many bytes the next streams hold in each direction.
    pub(super) fn shrink(&mut self, buffer: usize) {
        self.buffer = buffer;
    }

    fn forget_partial(&mut self) {
        self.partial.clear();
        self.message.clear();
    }

    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        if let Some(io) = &mut self.io {
            // The stream may be lost, which the next read reports.
            let _ = io.write_all(bytes).await;
        }
    }

    /// Sends a message, and keeps it.
    pub(super) async fn send(&mut self, text: &str) {
        self.queue(text);
        self.raw(&frame(0x81, text.as_bytes())).await;
    }

    /// Numbers a message that is sent by other means.
    pub(super) fn queue(&mut self, text: &str) {
        self.sent += 1;
        self.unacknowledged.push_back(text.to_owned());
    }

    pub(super) async fn send_object(&mut self, object: &str) {
        self.raw(&frame(0x81, format!("\0{object}").as_bytes())).await;
    }

    /// Acknowledges what was received.
    pub(super) async fn acknowledge(&mut self) {
        let received = self.received;
        self.send_object(&format!("{{\"ack\":{received}}}")).await;
    }

    /// Reads the next frame.
    pub(super) async fn read(&mut self) -> Read {
        let Some((opcode, payload)) = self.any_frame().await else { return Read::End };
        match (opcode, payload.first()) {
            (1, Some(0)) => {
                let object: Value = serde_json::from_slice(&payload[1..]).unwrap();
                match &object["text"] {
                    Value::String(text) => {
                        self.received += 1;
                        Read::Text(text.clone())
                    }
                    _ => Read::Object(object),
                }
            }
            (1, _) => {
                self.received += 1;
                Read::Text(String::from_utf8(payload).unwrap())
            }
            (8, _) => Read::Close(u16::from_be_bytes([payload[0], payload[1]])),
            (9, _) => {
                self.raw(&frame(0x8a, &payload)).await;
                Read::Ping
            }
            _ => panic!("unexpected frame {opcode:x}: {payload:?}"),
        }
    }

    /// Reads a frame, and returns its text if it is a message. Returns `None` at the end of the stream.
    pub(super) async fn read_any(&mut self) -> Option<Option<String>> {
        match self.read().await {
            Read::Text(text) => Some(Some(text)),
            Read::Object(_) | Read::Ping => Some(None),
            Read::Close(_) | Read::End => None,
        }
    }

    /// Returns the first byte of the next frame without its flags, and the payload. Cancellation loses nothing.
    pub(super) async fn any_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let (size, len) = match *self.partial.as_slice() {
                [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
                [_, len @ ..=125, ..] => (2, usize::from(len)),
                [_, 127, ref len @ ..] if len.len() >= 8 => {
                    (10, u64::from_be_bytes(*len.first_chunk().unwrap()) as usize)
                }
                _ => (0, usize::MAX),
            };
            if self.partial.len().checked_sub(size).is_some_and(|rest| rest >= len) {
                let frame: Vec<u8> = self.partial.drain(..size + len).collect();
                let opcode = frame[0] & 0x0f;
                if opcode >= 8 {
                    return Some((opcode, frame[size..].to_vec()));
                }
                assert_eq!(opcode == 0, !self.message.is_empty(), "fragments of one message");
                if opcode > 0 {
                    self.message.push(opcode);
                }
                self.message.extend(&frame[size..]);
                if frame[0] & 0x80 != 0 {
                    let message = std::mem::take(&mut self.message);
                    return Some((message[0], message[1..].to_vec()));
                }
                continue;
            }
            if self.io.as_mut()?.read_buf(&mut self.partial).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Returns the next message, after acknowledgements.
    #[track_caller]
    pub(super) fn text(&mut self) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                match self.read().await {
                    Read::Text(text) => return text,
                    Read::Object(object) if object.get("ack").is_some() => {}
                    other => panic!("{caller}: expected text, got {other:?}"),
                }
            }
        }
    }

    /// Returns the value of the next frame, which has to be the object with this member.
    #[track_caller]
    pub(super) fn object(&mut self, name: &str) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            match self.read().await {
                Read::Object(mut object) if object.get(name).is_some() => object[name].take(),
                other => panic!("{caller}: expected {name:?}, got {other:?}"),
            }
        }
    }

    pub(super) async fn event(&mut self) -> String {
        self.log.recv().await.unwrap_or_else(|| "handler dropped".into())
    }
}
