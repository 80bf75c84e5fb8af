//! The engine's parts as the fuzz targets see them.

use std::time::Instant;

use super::ahead::Incoming;
use super::connection;
use super::decoder::{self, Decoded};
use super::deflate::{self, Agreed, Inflater};
use super::testing;
use crate::close::{Close, CloseReason, ProtocolError};
use crate::message::Message;
use crate::options::Options;

/// The decoder of one connection.
#[derive(Debug)]
pub struct Decoder(decoder::Decoder);

impl Decoder {
    /// `takeover` says whether messages may be compressed, and if so, whether they refer to earlier
    /// ones.
    pub fn new(max_message_size: usize, validate_utf8: bool, takeover: Option<bool>) -> Self {
        let mut decoder = decoder::Decoder::new(max_message_size, validate_utf8);
        if let Some(takeover) = takeover {
            decoder.set_inflater(Inflater::new(takeover, false));
        }
        Self(decoder)
    }

    /// Decodes what has come, up to a close frame; says how much of its end is to come again.
    ///
    /// # Errors
    ///
    /// The first fault.
    pub fn decode(&mut self, mut input: &mut [u8], seen: &mut Vec<Message>) -> Result<usize, ProtocolError> {
        while let Some(decoded) = self.0.decode(&mut input)? {
            seen.push(message(&decoded));
            if let Decoded::Close(_) = decoded {
                break;
            }
        }
        Ok(input.len())
    }

    /// How much memory the message that is arriving takes.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

/// The message with what it says in memory of its own. A close frame without a code has 1005, as
/// RFC 6455 §7.4.1 calls it.
fn message(decoded: &Decoded<'_>) -> Message {
    match decoded {
        Decoded::Text(text) => Message::text(&**text),
        Decoded::Binary(bytes) => Message::binary(bytes.to_vec()),
        Decoded::Ping(payload) => Message::Ping(payload.to_vec().into()),
        Decoded::Pong(payload) => Message::Pong(payload.to_vec().into()),
        Decoded::Close(close) => Message::Close(close.clone().unwrap_or(Close::from(1005))),
    }
}

/// What two sides agreed upon about compression.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "they are explained where they are used")]
pub struct Parameters {
    pub level: u8,
    pub mem_level: u8,
    pub window_bits: u8,
    pub server_takeover: bool,
    pub client_takeover: bool,
}

impl From<Parameters> for Agreed {
    fn from(it: Parameters) -> Self {
        let Parameters { level, mem_level, window_bits, server_takeover, client_takeover } = it;
        Self {
            level,
            mem_level,
            window_bits,
            server_takeover,
            client_takeover,
            min_size: 0,
            per_frame: false,
        }
    }
}

impl From<Agreed> for Parameters {
    fn from(it: Agreed) -> Self {
        let Agreed { level, mem_level, window_bits, server_takeover, client_takeover, .. } = it;
        Self { level, mem_level, window_bits, server_takeover, client_takeover }
    }
}

/// What compresses the messages of one connection.
#[derive(Debug)]
pub struct Deflater(deflate::Deflater);

impl Deflater {
    /// One for a new connection.
    pub fn new(parameters: Parameters) -> Self {
        Self(deflate::Deflater::new(&parameters.into()))
    }

    /// The payload of a compressed frame, or nothing if the message is better sent as it is.
    pub fn compress(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.0.compress(message, &mut out).then_some(out)
    }
}

/// A connection, used as the driver does it.
#[derive(Debug)]
pub struct Connection {
    /// What commands go to.
    wire: connection::Connection,
    /// Whether the handler sends back what it gets.
    echoes: bool,
    /// What it has said, also what nobody heard.
    pub said: Vec<Message>,
}

impl Connection {
    /// One that has been opened.
    pub fn new(options: Options, agreed: Option<Parameters>, echoes: bool, now: Instant) -> Self {
        let wire = connection::Connection::new(options.into(), Vec::new(), now);
        let mut wire = wire.compressed(agreed.map(Into::into));
        wire.outbox().set_vectored(true);
        Self { wire, echoes, said: Vec::new() }
    }

    /// Bytes come from the socket, while a method of the handler is pending or not; false if the
    /// connection does not want them.
    pub fn read(&mut self, bytes: &[u8], is_pending: bool, now: Instant) -> bool {
        while let Some(mut backlog) = self.wire.take_backlog() {
            let used = self.handle(backlog.bytes(), is_pending);
            self.wire.put_back(backlog, used);
        }
        let wants = self.wire.wants_input();
        if wants && !bytes.is_empty() {
            let held = self.wire.held();
            assert!(held <= 138, "{held} bytes are held");
            let mut input = [&vec![0; held], bytes].concat();
            self.wire.resume(&mut input[..held]);
            self.wire.heard(now);
            let used = self.handle(&mut input, is_pending);
            self.wire.keep(&input[used..]);
        }
        wants
    }

    /// The client has gone, or the socket takes no more.
    pub fn lose(&mut self, is_broken: bool) {
        let kind = std::io::ErrorKind::ConnectionReset;
        if is_broken { self.wire.broken(kind) } else { self.wire.lost(kind) }
    }

    fn handle(&mut self, input: &mut [u8], is_pending: bool) -> usize {
        if is_pending || self.wire.is_closing() {
            return self.wire.read_ahead(input);
        }
        let len = input.len();
        self.wire.outbox().handles_input(input);
        let mut rest = &mut *input;
        while let Some(message) = self.wire.next(&mut rest) {
            self.hear(message);
        }
        let used = len - rest.len();
        if self.wire.outbox().input_handled() {
            self.wire.outbox().keep_input(input);
        }
        used
    }

    fn hear(&mut self, message: Incoming<'_>) {
        let is_owned = message.is_owned();
        if is_owned {
            self.wire.handles(&message);
        }
        match &message {
            _ if !self.echoes => {}
            Incoming::Text(text) => {
                self.wire.text(text);
                self.said.push(Message::text(&**text));
            }
            Incoming::Binary(bytes) => {
                self.wire.binary(bytes);
                self.said.push(Message::binary(bytes.to_vec()));
            }
            Incoming::Ping(_) | Incoming::Pong(_) => {}
        }
        if is_owned {
            self.wire.handled(message);
        }
    }

    /// The handler is free: it gets what was read ahead, and at the end all of it.
    pub fn deliver(&mut self) {
        while let Some(message) = self.wire.next_ahead() {
            self.hear(message);
        }
        if self.wire.reason().is_some() && !self.wire.holds_back() {
            self.wire.settle();
        }
    }

    /// The socket takes so many bytes.
    pub fn write(&mut self, len: usize, now: Instant) -> Vec<u8> {
        let mut taken = self.wire.outbox().waiting();
        taken.truncate(len);
        if !taken.is_empty() {
            self.wire.sent(taken.len(), || now);
        }
        self.wire.outbox().reclaim();
        taken
    }

    /// Time passes; what is due is done, and after an end that took too long nothing is left to do.
    pub fn tick(&mut self, now: Instant) {
        // One look may find that another is due.
        for _ in 0..4 {
            if self.wire.tick(now) {
                self.wire.settle();
                self.lose(true);
            }
        }
        let deadline = self.wire.deadline(|| now);
        assert!(self.wire.is_broken() || deadline.is_none_or(|deadline| deadline > now));
    }

    /// The handler says something.
    pub fn say(&mut self, message: Message) {
        match &message {
            Message::Text(text) => self.wire.text(text),
            Message::Binary(bytes) => self.wire.binary(bytes),
            Message::Ping(payload) => self.wire.ping(&payload.0),
            Message::Pong(payload) => self.wire.pong(&payload.0),
            Message::Close(close) => self.wire.close(close.clone()),
        }
        self.said.push(message);
    }

    /// The server shuts down.
    pub fn shut_down(&mut self, deadline: Instant) {
        self.wire.end_by(CloseReason::Shutdown, deadline);
    }

    /// Whether the handler wants to read, and whether what it says is compressed.
    pub fn set(&mut self, is_active: bool, compresses: bool) {
        self.wire.set_active(is_active);
        self.wire.set_compress(compresses);
    }

    /// The largest message that may come from now on.
    pub fn set_max_message_size(&mut self, bytes: usize) {
        self.wire.set_max_message_size(bytes);
    }

    /// How many bytes wait for the socket.
    pub fn waiting(&mut self) -> usize {
        self.wire.outbox().len()
    }

    /// Why it ends.
    pub fn reason(&self) -> Option<&CloseReason> {
        self.wire.reason()
    }

    /// Whether the socket takes no more.
    pub fn is_broken(&self) -> bool {
        self.wire.is_broken()
    }

    /// Whether nothing can be said any more.
    pub fn is_closing(&self) -> bool {
        self.wire.is_closing()
    }
}

/// A frame as a client sends it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    testing::frame(first, payload)
}
