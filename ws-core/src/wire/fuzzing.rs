//! The engine's parts as the fuzz targets see them.

use std::time::Instant;

use super::connection;
use super::decoder::{self, Decoded};
use super::deflate::{self, DeflateParams, Inflater};
use super::read_ahead::InboundMessage;
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

impl From<Parameters> for DeflateParams {
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

impl From<DeflateParams> for Parameters {
    fn from(it: DeflateParams) -> Self {
        let DeflateParams { level, mem_level, window_bits, server_takeover, client_takeover, .. } = it;
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
    pub sent: Vec<Message>,
}

impl Connection {
    /// One that has been opened.
    pub fn new(options: Options, agreed: Option<Parameters>, echoes: bool, now: Instant) -> Self {
        let wire = connection::Connection::new(options.into(), Vec::new(), now);
        let mut wire = wire.with_compression(agreed.map(Into::into));
        wire.outbox().set_vectored(true);
        Self { wire, echoes, sent: Vec::new() }
    }

    /// Bytes come from the socket, while a method of the handler is pending or not; false if the
    /// connection does not want them.
    pub fn read(&mut self, bytes: &[u8], is_pending: bool, now: Instant) -> bool {
        while let Some(mut backlog) = self.wire.take_unread() {
            let used = self.handle(backlog.bytes(), is_pending);
            self.wire.return_unread(backlog, used);
        }
        let wants = self.wire.wants_input();
        if wants && !bytes.is_empty() {
            let held = self.wire.partial_len();
            assert!(held <= 138, "{held} bytes are held");
            let mut input = [&vec![0; held], bytes].concat();
            self.wire.prepend_partial(&mut input[..held]);
            self.wire.on_bytes_received(now);
            let used = self.handle(&mut input, is_pending);
            self.wire.store_unread(&input[used..]);
        }
        wants
    }

    /// The client has gone, or the socket takes no more.
    pub fn disconnect(&mut self, has_write_failed: bool) {
        let kind = std::io::ErrorKind::ConnectionReset;
        if has_write_failed { self.wire.on_write_error(kind) } else { self.wire.on_disconnect(kind) }
    }

    fn handle(&mut self, input: &mut [u8], is_pending: bool) -> usize {
        if is_pending || self.wire.is_closing() {
            return self.wire.read_ahead(input);
        }
        let len = input.len();
        self.wire.outbox().begin_input(input);
        let mut rest = &mut *input;
        while let Some(message) = self.wire.next_message(&mut rest) {
            self.process_message(message);
        }
        let used = len - rest.len();
        if self.wire.outbox().end_input() {
            self.wire.outbox().retain_input(input);
        }
        used
    }

    fn process_message(&mut self, message: InboundMessage<'_>) {
        let is_owned = message.is_owned();
        if is_owned {
            self.wire.begin_message(&message);
        }
        match &message {
            _ if !self.echoes => {}
            InboundMessage::Text(text) => {
                self.wire.text(text);
                self.sent.push(Message::text(&**text));
            }
            InboundMessage::Binary(bytes) => {
                self.wire.binary(bytes);
                self.sent.push(Message::binary(bytes.to_vec()));
            }
            InboundMessage::Ping(_) | InboundMessage::Pong(_) => {}
        }
        if is_owned {
            self.wire.end_message(message);
        }
    }

    /// The handler is free: it gets what was read ahead, and at the end all of it.
    pub fn deliver(&mut self) {
        while let Some(message) = self.wire.next_read_ahead() {
            self.process_message(message);
        }
        if self.wire.close_reason().is_some() && !self.wire.is_blocked_by_client() {
            self.wire.finish_drain();
        }
    }

    /// The socket takes so many bytes.
    pub fn write(&mut self, len: usize, now: Instant) -> Vec<u8> {
        let mut taken = self.wire.outbox().waiting();
        taken.truncate(len);
        if !taken.is_empty() {
            self.wire.on_bytes_sent(taken.len(), || now);
        }
        self.wire.outbox().reclaim();
        taken
    }

    /// Time passes; what is due is done, and after an end that took too long nothing is left to do.
    pub fn handle_timeout(&mut self, now: Instant) {
        // One look may find that another is due.
        for _ in 0..4 {
            if self.wire.handle_timeout(now) {
                self.wire.finish_drain();
                self.disconnect(true);
            }
        }
        let deadline = self.wire.deadline(|| now);
        assert!(self.wire.has_write_failed() || deadline.is_none_or(|deadline| deadline > now));
    }

    /// The handler says something.
    pub fn send(&mut self, message: Message) {
        match &message {
            Message::Text(text) => self.wire.text(text),
            Message::Binary(bytes) => self.wire.binary(bytes),
            Message::Ping(payload) => self.wire.ping(&payload.0),
            Message::Pong(payload) => self.wire.pong(&payload.0),
            Message::Close(close) => self.wire.close(close.clone()),
        }
        self.sent.push(message);
    }

    /// The server shuts down.
    pub fn shut_down(&mut self, deadline: Instant) {
        self.wire.drain_by(CloseReason::Shutdown, deadline);
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
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.wire.close_reason()
    }

    /// Whether the socket takes no more.
    pub fn has_write_failed(&self) -> bool {
        self.wire.has_write_failed()
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
