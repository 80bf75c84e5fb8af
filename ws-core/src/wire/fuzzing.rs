//! Parts of the engine, as the fuzz targets use them.

use std::time::Instant;

use super::connection;
use super::decoder::{self, Decoded};
use super::deflate::{self, DeflateParams, Inflater};
use super::inbound_message::InboundMessage;
use super::testing;
use crate::close::{Close, CloseReason, ProtocolError};
use crate::message::{Message, MessageKind, Part};
use crate::options::Options;

/// The decoder of one connection.
#[derive(Debug)]
pub struct Decoder {
    decoder: decoder::Decoder,
    /// The message whose parts are being concatenated.
    message: Option<Vec<u8>>,
}

impl Decoder {
    /// Creates a decoder. `takeover` is `None` without compression; otherwise the value is whether messages
    /// may refer to earlier ones.
    pub fn new(max_message_size: usize, validate_utf8: bool, takeover: Option<bool>) -> Self {
        let mut decoder = decoder::Decoder::new(max_message_size, validate_utf8);
        if let Some(takeover) = takeover {
            decoder.set_inflater(Inflater::new(takeover, false));
        }
        Self { decoder, message: None }
    }

    /// Decodes messages in parts, and concatenates them.
    #[must_use]
    pub fn in_parts(mut self) -> Self {
        self.decoder.deliver_in_parts();
        self
    }

    /// Decodes the input up to a close frame, appends the messages to `messages`, and returns the number of
    /// bytes that are left.
    ///
    /// # Errors
    ///
    /// Returns the first protocol error.
    pub fn decode(
        &mut self,
        mut input: &mut [u8],
        messages: &mut Vec<Message>,
    ) -> Result<usize, ProtocolError> {
        while let Some(decoded) = self.decoder.decode(&mut input)? {
            if let Decoded::Part(part) = &decoded {
                messages.extend(self.add(part.part()));
                continue;
            }
            messages.push(message(&decoded));
            if let Decoded::Close(_) = decoded {
                break;
            }
        }
        Ok(input.len())
    }

    /// Adds a part, and returns the message if it is complete.
    fn add(&mut self, part: Part<'_>) -> Option<Message> {
        assert_eq!(part.is_first(), self.message.is_none());
        let message = self.message.get_or_insert_default();
        message.extend_from_slice(&part);
        if !part.is_last() {
            assert!(!part.is_empty(), "an empty part");
            return None;
        }
        let message = self.message.take()?;
        Some(match part.kind() {
            MessageKind::Text => Message::text(String::from_utf8(message).expect("each part is UTF-8")),
            MessageKind::Binary => Message::binary(message),
        })
    }

    /// Returns the capacity of the buffer for the incomplete message.
    pub fn capacity(&self) -> usize {
        self.decoder.capacity()
    }
}

/// Copies a message. A close frame without a code becomes 1005 (RFC 6455 §7.4.1).
fn message(decoded: &Decoded<'_>) -> Message {
    match decoded {
        Decoded::Text(text) => Message::text(&**text),
        Decoded::Binary(bytes) => Message::binary(bytes.to_vec()),
        Decoded::Part(_) => unreachable!("parts are concatenated"),
        Decoded::Ping(payload) => Message::Ping(payload.to_vec().into()),
        Decoded::Pong(payload) => Message::Pong(payload.to_vec().into()),
        Decoded::Close(close) => Message::Close(close.clone().unwrap_or(Close::from(1005))),
    }
}

/// The negotiated parameters of compression.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "`DeflateParams` documents them")]
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

/// The encoder of one connection.
#[derive(Debug)]
pub struct Deflater(deflate::Deflater);

impl Deflater {
    /// Creates the encoder of a new connection.
    pub fn new(parameters: Parameters) -> Self {
        Self(deflate::Deflater::new(&parameters.into()))
    }

    /// Returns the payload of a compressed frame, or `None` if the message should be sent uncompressed.
    pub fn compress(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.0.compress(message, &mut out).then_some(out)
    }
}

/// A connection that is used like in the driver.
#[derive(Debug)]
pub struct Connection {
    wire: connection::Connection,
    /// Whether the handler sends each message back.
    echoes: bool,
    /// The messages that the handler sent, including those that the client did not receive.
    pub sent: Vec<Message>,
}

impl Connection {
    /// Creates an open connection.
    pub fn new(options: Options, parameters: Option<Parameters>, echoes: bool, now: Instant) -> Self {
        let wire = connection::Connection::new(options.into(), Vec::new(), now);
        let mut wire = wire.with_compression(parameters.map(Into::into));
        wire.outbox().set_vectored(true);
        Self { wire, echoes, sent: Vec::new() }
    }

    /// Reads bytes from the socket. `is_pending` is whether a method of the handler is pending. Returns false
    /// if the connection does not read.
    pub fn read(&mut self, bytes: &[u8], is_pending: bool, now: Instant) -> bool {
        while let Some(mut unread) = self.wire.take_unread() {
            let used = self.handle(unread.bytes(), is_pending);
            self.wire.return_unread(unread, used);
        }
        let wants = self.wire.wants_input();
        if wants && !bytes.is_empty() {
            let partial = self.wire.partial_len();
            assert!(partial <= 138, "{partial} bytes are stored");
            let mut input = [&vec![0; partial], bytes].concat();
            self.wire.prepend_partial(&mut input[..partial]);
            self.wire.on_bytes_received(now);
            let used = self.handle(&mut input, is_pending);
            self.wire.store_unread(&input[used..]);
        }
        wants
    }

    /// Loses the client, or fails a write.
    pub fn disconnect(&mut self, by_write: bool) {
        let kind = std::io::ErrorKind::ConnectionReset;
        if by_write { self.wire.on_write_error(kind) } else { self.wire.on_disconnect(kind) }
    }

    fn handle(&mut self, input: &mut [u8], is_pending: bool) -> usize {
        if is_pending || self.wire.is_closing() {
            return self.wire.read_ahead(input);
        }
        let len = input.len();
        self.wire.outbox().begin_input(input);
        let mut remaining = &mut *input;
        while let Some(message) = self.wire.next_message(&mut remaining) {
            self.process_message(message);
        }
        let used = len - remaining.len();
        if self.wire.outbox().end_input() {
            self.wire.outbox().join_input(input);
            self.wire.outbox().retain_input(input);
        }
        used
    }

    fn process_message(&mut self, message: InboundMessage<'_>) {
        let is_owned = message.is_owned_or_part();
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
            InboundMessage::Part(_) | InboundMessage::Ping(_) | InboundMessage::Pong(_) => {}
        }
        if is_owned {
            self.wire.end_message(message);
        }
    }

    /// Delivers the messages that were read ahead, and finishes a drain.
    pub fn deliver(&mut self) {
        while let Some(message) = self.wire.next_read_ahead() {
            self.process_message(message);
        }
        if self.wire.close_reason().is_some() && !self.wire.is_blocked_by_client() {
            self.wire.finish_drain();
        }
    }

    /// Writes up to `len` bytes to the socket.
    pub fn write(&mut self, len: usize, now: Instant) -> Vec<u8> {
        let mut written = self.wire.outbox().waiting();
        written.truncate(len);
        if !written.is_empty() {
            self.wire.on_bytes_sent(written.len(), || now);
        }
        self.wire.outbox().reclaim();
        written
    }

    /// Handles all timeouts that are due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        // A timeout may start another one that is due as well.
        for _ in 0..4 {
            if self.wire.handle_timeout(now) {
                self.wire.finish_drain();
                self.disconnect(true);
            }
        }
        let deadline = self.wire.deadline(|| now);
        assert!(self.wire.has_write_failed() || deadline.is_none_or(|deadline| deadline > now));
    }

    /// Sends a message from the handler.
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

    /// Shuts the server down.
    pub fn shut_down(&mut self, deadline: Instant) {
        self.wire.drain_by(CloseReason::Shutdown, deadline);
    }

    /// Sets whether the handler reads, and whether its messages are compressed.
    pub fn set(&mut self, is_active: bool, compresses: bool) {
        self.wire.set_active(is_active);
        self.wire.set_compress(compresses);
    }

    /// Sets the largest message that the client may send.
    pub fn set_max_message_size(&mut self, bytes: usize) {
        self.wire.set_max_message_size(bytes);
    }

    /// Returns the number of bytes that wait for the socket.
    pub fn waiting(&mut self) -> usize {
        self.wire.outbox().len()
    }

    /// Returns why the connection ends.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.wire.close_reason()
    }

    /// Returns whether a write failed.
    pub fn has_write_failed(&self) -> bool {
        self.wire.has_write_failed()
    }

    /// Returns whether no more messages can be sent.
    pub fn is_closing(&self) -> bool {
        self.wire.is_closing()
    }
}

/// Returns a masked frame whose first header byte is `first`.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    testing::frame(first, payload)
}
