//! Messages for many clients, encoded and compressed once.

use bytes::Bytes;

use super::connection::Connection;
use super::deflate::{PreparedEncoding, SharedDeflate};
use super::frame::{MAX_HEADER, Opcode, encode_frame, write_header};

/// A message that is encoded as one frame, for many connections to send.
#[derive(Debug)]
pub(crate) struct PreparedMessage {
    opcode: Opcode,
    frame: Bytes,
    /// The offset of the payload in `frame`.
    payload: usize,
    deflated: SharedDeflate,
}

impl PreparedMessage {
    pub(crate) fn text(payload: &str) -> Self {
        Self::new(Opcode::Text, payload.as_bytes())
    }

    pub(crate) fn binary(payload: &[u8]) -> Self {
        Self::new(Opcode::Binary, payload)
    }

    fn new(opcode: Opcode, payload: &[u8]) -> Self {
        Self {
            opcode,
            frame: encode_frame(opcode, 0, payload),
            payload: header_size(payload.len()),
            deflated: SharedDeflate::default(),
        }
    }

    pub(crate) fn payload(&self) -> Bytes {
        self.frame.slice(self.payload..)
    }
}

fn header_size(len: usize) -> usize {
    write_header(&mut [0; MAX_HEADER], Opcode::Text, len)
}

impl Connection {
    /// Sends a message that other connections send too.
    pub(crate) fn send_prepared(&mut self, message: &PreparedMessage) {
        if self.is_closing() || self.has_write_failed() {
            return;
        }
        let payload = &message.frame[message.payload..];
        let frame = match self.deflater_for(message.opcode, payload) {
            Some(deflater) if deflater.should_compress(payload.len()) => {
                match message.deflated.encoding(message.opcode, payload, deflater) {
                    PreparedEncoding::Compressed(frame) => frame,
                    PreparedEncoding::Uncompressed => &message.frame,
                    PreparedEncoding::PerConnection => return self.send_compressed(message.opcode, payload),
                }
            }
            _ => &message.frame,
        };
        if self.outbox().push_shared(frame) {
            self.count_sent(message.opcode);
        } else {
            self.close_slow_client();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::close::CloseReason;
    use crate::options::Options;

    fn connection() -> Connection {
        Connection::new(Options::DEFAULT.into(), Vec::new(), Instant::now())
    }

    #[test]
    fn sends_the_frame_that_a_single_send_would() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let text = "x".repeat(len);
            let (mut prepared, mut single) = (connection(), connection());
            let message = PreparedMessage::text(&text);
            prepared.send_prepared(&message);
            single.text(&text);
            assert_eq!(prepared.outbox().waiting(), single.outbox().waiting());
            assert_eq!(message.payload(), text);
            let (mut prepared, mut single) = (connection(), connection());
            prepared.send_prepared(&PreparedMessage::binary(text.as_bytes()));
            single.binary(text.as_bytes());
            assert_eq!(prepared.outbox().waiting(), single.outbox().waiting());
        }
    }

    #[test]
    fn counts_against_the_outbox_limit() {
        let options = Options { outbox_limit: 100, ..Options::DEFAULT };
        let mut connection = Connection::new(options.into(), Vec::new(), Instant::now());
        let message = PreparedMessage::binary(&[7; 60]);
        connection.send_prepared(&message);
        assert!(connection.is_open());
        connection.send_prepared(&message);
        assert_eq!(connection.close_reason(), Some(&CloseReason::Overflow));
        let sent = connection.outbox().len();
        connection.send_prepared(&message);
        assert_eq!(connection.outbox().len(), sent);
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn compresses_once_for_connections_with_equal_parameters() {
        use crate::wire::DeflateParams;

        let params = DeflateParams {
            level: 6,
            mem_level: 8,
            window_bits: 15,
            server_takeover: false,
            client_takeover: false,
            min_size: 10,
            per_frame: false,
        };
        let with = |params| connection().with_compression(Some(params));
        let text = "again and again and again and again";
        let alone = |params| {
            let mut connection = with(params);
            connection.text(text);
            connection.outbox().waiting().to_vec()
        };
        let message = PreparedMessage::text(text);
        let sent = |connection: &mut Connection| {
            connection.send_prepared(&message);
            connection.outbox().waiting().to_vec()
        };
        assert_eq!(sent(&mut with(params)), alone(params));
        let first = message.deflated.get().expect("the first connection compressed the message").clone();
        assert_eq!(sent(&mut with(params)), first);
        // A connection with other parameters compresses the message itself.
        let small = DeflateParams { window_bits: 9, ..params };
        assert_eq!(sent(&mut with(small)), alone(small));
        let takeover = DeflateParams { server_takeover: true, ..params };
        let mut connection = with(takeover);
        let once = sent(&mut connection).len();
        assert!(sent(&mut connection).len() - once < once, "the second refers to the first");
        // A connection that has compression switched off sends the message uncompressed.
        let mut connection = with(params);
        connection.set_compress(false);
        assert!(sent(&mut connection).ends_with(text.as_bytes()));
        assert_eq!(message.deflated.get(), Some(&first));
        // An incompressible message is sent uncompressed.
        let noise = PreparedMessage::binary(&[0x9b, 0x01, 0x7f, 0xd2, 0x33, 0xe8, 0x54, 0xc6, 0x1a, 0xaf]);
        let mut connection = with(params);
        connection.send_prepared(&noise);
        assert_eq!(connection.outbox().waiting()[0], 0x82);
    }
}
