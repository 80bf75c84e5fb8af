//! Clients of sessions, for the tests of this folder: each stands between the frames of a test and a transport.
//!
//! The tests need not know them. A table in [`super`] has what a transport cannot do.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use data_encoding::BASE64;
use hyper::body::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::clock::now;
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::context::Context;
use crate::driver::run;
use crate::handler::Handler;
use crate::options::{Options, SessionOptions};
use crate::transport::http::{DeliveryError, PostBody, ResponseKind, SessionBody, SessionEvents, deliver};
use crate::transport::session::{Attachment, Scope, SessionLink, SessionTransport, Sessions};
use crate::wire::{Connection, Opcode, encode_frame};

/// A kind of connection that carries the session.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Carrier {
    WebSocket,
    Events,
    Polls,
}

/// Runs a handler with a session, for the client at the other end of `io`.
pub(super) fn start<H: Handler>(
    carrier: Carrier,
    handler: H,
    mut options: Options,
    io: DuplexStream,
    permit: Option<ConnectionPermit>,
) -> JoinHandle<CloseReason> {
    let defaults = SessionOptions::DEFAULT;
    options.session = Some(match carrier {
        // A client that is gone does not come back. The client of this file acknowledges nothing.
        Carrier::WebSocket => {
            SessionOptions { resume: Duration::from_millis(1), buffer: 64 << 20, ..defaults }
        }
        Carrier::Events => SessionOptions { resume: Duration::from_millis(1), ..defaults },
        // Longer than the time between two polls.
        Carrier::Polls => SessionOptions { resume: Duration::from_secs(6), ..defaults },
    });
    let options = Arc::new(options);
    let sessions = Arc::<Sessions>::default();
    let link = sessions.begin(&Scope { origin: None, path: "/".into() }, None).unwrap();
    let attachment = match carrier {
        Carrier::WebSocket => {
            let (client, server) = duplex(64);
            spawn_client(relay(io, client));
            Attachment::new(Box::new(server), Vec::new(), 0, None)
        }
        Carrier::Events | Carrier::Polls => {
            let kind = if carrier == Carrier::Events { ResponseKind::Events } else { ResponseKind::Poll };
            let (events, attachment) = SessionEvents::connect(kind, &options, 0, None);
            let client = HttpClient { link: Arc::clone(&link), options: Arc::clone(&options), kind };
            spawn_client(client.run(io, events));
            attachment
        }
    };
    let transport = SessionTransport::new(&sessions, link, attachment, Arc::clone(&options), Duration::ZERO);
    let cx = Context::new(Connection::new(options, Vec::new(), now()), None, None);
    tokio::spawn(run(handler, cx, transport, permit))
}

/// Runs a client for a day of the paused clock, so that a test that stands still fails.
fn spawn_client(client: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(timeout(Duration::from_hours(24), client));
}

/// Passes bytes on as they are, except for the control objects of the server.
async fn relay(io: DuplexStream, stream: DuplexStream) {
    let (mut from_test, mut to_test) = split(io);
    let (mut from_server, mut to_server) = split(stream);
    let down = async {
        let mut object = None::<Vec<u8>>;
        while let Some((first, payload)) = read_frame(&mut from_server).await {
            let opcode = first & 0x0f;
            if opcode == 1 && payload.first() == Some(&0) {
                object = Some(Vec::new());
            }
            let text = match &mut object {
                Some(object) if opcode < 8 => {
                    object.extend(payload);
                    if first & 0x80 == 0 {
                        continue;
                    }
                    let object: Value = serde_json::from_slice(&std::mem::take(object)[1..]).unwrap();
                    object["text"].as_str().map(str::to_owned)
                }
                _ => {
                    if write_frame(&mut to_test, first, &payload).await.is_none() {
                        return;
                    }
                    continue;
                }
            };
            object = None;
            if let Some(text) = text {
                _ = write_frame(&mut to_test, 0x81, text.as_bytes()).await;
            }
        }
        _ = to_test.shutdown().await;
    };
    let up = async { tokio::io::copy(&mut from_test, &mut to_server).await.is_ok() };
    tokio::pin!(down);
    tokio::select! {
        is_client_gone = up => if !is_client_gone { down.await },
        () = &mut down => {}
    }
}

/// Reads a frame, masked or not. Returns its first byte and its payload.
async fn read_frame(io: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let (first, second) = (io.read_u8().await.ok()?, io.read_u8().await.ok()?);
    let len = match second & 0x7f {
        126 => usize::from(io.read_u16().await.ok()?),
        127 => usize::try_from(io.read_u64().await.ok()?).unwrap(),
        short => usize::from(short),
    };
    let mut key = [0; 4];
    if second & 0x80 != 0 {
        io.read_exact(&mut key).await.ok()?;
    }
    let mut payload = vec![0; len];
    io.read_exact(&mut payload).await.ok()?;
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    Some((first, payload))
}

/// Writes a frame of the server. Returns `None` if the test's client is gone.
async fn write_frame(io: &mut WriteHalf<DuplexStream>, first: u8, payload: &[u8]) -> Option<()> {
    let mut frame = encode_frame(Opcode::Text, 0, payload).to_vec();
    frame[0] = first;
    io.write_all(&frame).await.ok()
}

/// A client of events or polls, with POSTs.
struct HttpClient {
    link: Arc<SessionLink>,
    options: Arc<Options>,
    kind: ResponseKind,
}

/// The number of the last message that the client has, and whether an acknowledgement is due.
#[derive(Default)]
struct Received {
    number: AtomicU64,
    is_ack_due: Notify,
}

/// A message of the test, as the member of a POST, or the value of `close`.
enum Upload {
    Message(Value),
    Close(Value),
}

impl HttpClient {
    async fn run(self, io: DuplexStream, events: SessionEvents) {
        let (mut from_test, to_test) = split(io);
        let (uploads, waiting) = mpsc::channel(1);
        let received = Received::default();
        let download = async {
            let mut download = Download { to_test, received: &received, unparsed: String::new(), unacked: 0 };
            match self.kind {
                ResponseKind::Events => download.read_events(SessionBody::new(events)).await,
                ResponseKind::Poll => self.poll(events, &mut download).await,
            };
            _ = download.to_test.shutdown().await;
        };
        let read = async {
            while let Some(upload) = read_upload(&mut from_test).await {
                // After the end of the session, nothing takes it.
                _ = uploads.send(upload).await;
            }
        };
        tokio::select! {
            // The test's client is gone, and its connections with it.
            () = read => {}
            ((), ()) = async { tokio::join!(download, self.post_all(waiting, &received)) } => {}
        }
    }

    /// Polls until the session has sent a close frame, or is over.
    async fn poll(&self, mut events: SessionEvents, download: &mut Download<'_>) {
        let mut is_new = true;
        let poll_timeout = self.options.session.unwrap().poll_timeout;
        loop {
            let body = events.into_poll(is_new, poll_timeout).await;
            is_new = false;
            if download.read(&body).await.is_none() {
                return;
            }
            let number = download.received.number.load(Ordering::Relaxed);
            let Some(reservation) = self.link.reserve(number) else { return };
            let (next, attachment) = SessionEvents::connect(self.kind, &self.options, number, None);
            reservation.attach(attachment);
            events = next;
        }
    }

    /// Sends the messages of the test, several in one POST if they wait, until the session is over.
    async fn post_all(&self, mut waiting: mpsc::Receiver<Upload>, received: &Received) {
        let mut sent = 0;
        loop {
            let mut uploads = Vec::new();
            tokio::select! {
                upload = waiting.recv() => uploads.extend(upload),
                () = received.is_ack_due.notified() => {}
            }
            while uploads.len() < 10
                && let Ok(upload) = waiting.try_recv()
            {
                uploads.push(upload);
            }
            let mut body = json!({ "first": sent + 1, "messages": [] });
            for upload in uploads {
                match upload {
                    Upload::Message(message) => {
                        sent += 1;
                        body["messages"].as_array_mut().unwrap().push(message);
                    }
                    Upload::Close(close) => body["close"] = close,
                }
            }
            if self.post(body, sent, received).await.is_none() {
                return;
            }
        }
    }

    /// Sends a POST until the session has all of its messages. Returns `None` if the session is over.
    async fn post(&self, mut body: Value, last: u64, received: &Received) -> Option<()> {
        loop {
            body["ack"] = received.number.load(Ordering::Relaxed).into();
            let post = PostBody::parse(body.to_string().as_bytes()).unwrap();
            let response =
                timeout(self.options.session.unwrap().poll_timeout, deliver(&self.link, post)).await;
            match response {
                Ok(Ok(())) => return Some(()),
                // The session has a part of them, and the client sends all again.
                Err(_) if self.link.received() < last => {}
                Err(_) => return Some(()),
                Ok(Err(DeliveryError::NotCarried)) => sleep(Duration::from_millis(20)).await,
                Ok(Err(DeliveryError::Over)) => return None,
                Ok(Err(error)) => panic!("the session refuses a POST: {error:?}"),
            }
        }
    }
}

/// Reads a message or a close frame of the test.
async fn read_upload(io: &mut ReadHalf<DuplexStream>) -> Option<Upload> {
    let mut message = (0, Vec::new());
    loop {
        let (first, payload) = read_frame(io).await?;
        match first & 0x0f {
            0 => message.1.extend(payload),
            opcode @ (1 | 2) => message = (opcode, payload),
            8 if payload.is_empty() => return Some(Upload::Close(json!({}))),
            8 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                let reason = std::str::from_utf8(&payload[2..]).unwrap();
                return Some(Upload::Close(json!({ "code": code, "reason": reason })));
            }
            opcode => panic!("a POST has no control frame {opcode:x}"),
        }
        if first & 0x80 != 0 {
            return Some(Upload::Message(match message {
                (1, text) => String::from_utf8(text).unwrap().into(),
                (_, bytes) => json!({ "binary": BASE64.encode(&bytes) }),
            }));
        }
    }
}

/// The events of the server, as frames for the test.
struct Download<'a> {
    to_test: WriteHalf<DuplexStream>,
    received: &'a Received,
    /// The start of an event.
    unparsed: String,
    /// The bytes since the last acknowledgement.
    unacked: usize,
}

impl Download<'_> {
    async fn read_events(&mut self, mut body: SessionBody) {
        while let Some(frame) = poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
            if self.read(&frame.unwrap().into_data().unwrap()).await.is_none() {
                return;
            }
        }
    }

    /// Reads a part of the events. Returns `None` after the close frame.
    async fn read(&mut self, part: &[u8]) -> Option<()> {
        self.unparsed += std::str::from_utf8(part).unwrap();
        while let Some(end) = self.unparsed.find("\n\n") {
            let event: String = self.unparsed.drain(..end + 2).collect();
            self.unacked += event.len();
            self.read_event(event.trim_end_matches("\n\n")).await?;
        }
        if self.unacked > 64 << 10 {
            self.unacked = 0;
            self.received.is_ack_due.notify_one();
        }
        Some(())
    }

    async fn read_event(&mut self, event: &str) -> Option<()> {
        let (mut kind, mut data) = ("", Vec::new());
        for line in event.split('\n') {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("event", value) => kind = value,
                ("data", value) => data.push(value),
                ("id", value) => {
                    let number = self.received.number.fetch_add(1, Ordering::Relaxed) + 1;
                    assert_eq!(value, number.to_string(), "each message once and in order");
                }
                ("retry", _) | (":", _) => {}
                other => panic!("unexpected line {other:?}"),
            }
        }
        let (data, io) = (data.join("\n"), &mut self.to_test);
        match kind {
            "" if event.starts_with("id") => write_frame(io, 0x81, data.as_bytes()).await,
            "" => Some(()),
            "binary" => write_frame(io, 0x82, &BASE64.decode(data.as_bytes()).unwrap()).await,
            _ => {
                let object: Value = serde_json::from_str(&data).unwrap();
                if let Some(text) = object["text"].as_str() {
                    return write_frame(io, 0x81, text.as_bytes()).await;
                }
                let Some(close) = object.get("close") else { return Some(()) };
                let payload = match close["code"].as_u64() {
                    Some(code) => {
                        let code = u16::try_from(code).unwrap().to_be_bytes();
                        [&code, close["reason"].as_str().unwrap().as_bytes()].concat()
                    }
                    None => Vec::new(),
                };
                write_frame(io, 0x88, &payload).await;
                None
            }
        }
    }
}
