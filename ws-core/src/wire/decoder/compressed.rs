//! Compressed messages and frames (RFC 7692, and `x-webkit-deflate-frame` before it).

use super::partial_message::PartialMessage;
use super::{Decoded, Decoder};
use crate::close::ProtocolError;
use crate::message::MessageKind;
#[cfg(feature = "deflate")]
use crate::wire::deflate::Inflater;
use crate::wire::deflate::ThreadBuffer;
use crate::wire::frame::{COMPRESSED, Header, MAX_CLIENT_HEADER, Opcode};

impl Decoder {
    /// Allows compressed messages.
    #[cfg(feature = "deflate")]
    pub(crate) fn set_inflater(&mut self, inflater: Inflater) {
        self.inflater = Some(Box::new(inflater));
    }

    /// Like [`decode_complete`](Self::decode_complete), but for a compressed message.
    ///
    /// The message is inflated into a buffer of the thread, which has to be returned after the message was
    /// handled.
    pub(super) fn decode_complete_compressed(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
    ) -> Result<Decoded<'static>, ProtocolError> {
        let kind = if opcode == Opcode::Binary { MessageKind::Binary } else { MessageKind::Text };
        self.message.insert(PartialMessage::start(kind)).payload = ThreadBuffer::Inflated.take();
        if let Some(inflater) = &mut self.inflater {
            inflater.start_message();
            inflater.start_stream(0);
        }
        self.inflate(payload)?;
        self.finish()
    }

    /// Parses the header of a continuation frame that has the compression bit set.
    ///
    /// RFC 7692 forbids such a frame. `x-webkit-deflate-frame` compresses each frame by itself, so the header
    /// is parsed without that bit.
    #[cold]
    pub(super) fn parse_compressed_continuation(
        &self,
        input: &[u8],
        max_len: usize,
    ) -> Result<Option<Header>, ProtocolError> {
        let per_frame = self.inflater.as_ref().filter(|inflater| inflater.is_per_frame());
        let (Some(inflater), Some(_)) = (per_frame, &self.message) else {
            return Header::parse(input, self.message.is_some(), max_len, None);
        };
        let mut head = [0; MAX_CLIENT_HEADER];
        let len = input.len().min(head.len());
        head[..len].copy_from_slice(&input[..len]);
        head[0] &= !COMPRESSED;
        let max_len = inflater.remaining_compressed(self.max_message_size).min(self.max_frame_size());
        let header = Header::parse(&head[..len], true, max_len, None)?;
        Ok(header.map(|header| Header { compressed: true, ..header }))
    }

    /// Returns whether the incomplete message, or its current frame, is compressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.inflater.as_ref().is_some_and(|inflater| inflater.is_active())
    }

    /// Inflates the next part of the incomplete message.
    pub(super) fn inflate(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        let Self { inflater: Some(inflater), message: Some(message), .. } = self else { return Ok(()) };
        let PartialMessage { kind, payload, utf8, .. } = &mut **message;
        let validates = self.validate_utf8 && *kind == MessageKind::Text;
        let inspect = |piece: &[u8]| if validates { utf8.feed(piece) } else { Ok(()) };
        inflater.feed(part, payload, self.max_message_size, inspect)
    }

    /// Ends the compressed stream, if there is one: that of a message, or that of a frame.
    pub(super) fn finish_compressed(&mut self) -> Result<(), ProtocolError> {
        let Self { inflater: Some(inflater), message: Some(message), .. } = self else { return Ok(()) };
        if !inflater.is_active() {
            return Ok(());
        }
        let PartialMessage { kind, payload, utf8, .. } = &mut **message;
        let validates = self.validate_utf8 && *kind == MessageKind::Text;
        let inspect = |piece: &[u8]| if validates { utf8.feed(piece) } else { Ok(()) };
        inflater.finish(payload, self.max_message_size, inspect)
    }
}
