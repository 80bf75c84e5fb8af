//! From bytes to messages, in place.

mod compressed;
mod direct_read;
mod partial_message;
mod parts;

use std::borrow::Cow;

use partial_message::{PartialFrame, PartialMessage};

use super::deflate::Inflater;
use super::frame::{COMPRESSED, Header, Opcode};
use super::inbound_message::BorrowedMessage;
use super::mask;
use crate::close::{Close, CloseCode, ProtocolError, may_be_sent};
use crate::message::{MAX_CONTROL_PAYLOAD, MessageKind, PartBuf};

/// The largest number of empty fragments in a message.
///
/// RFC 6455 §5.4 allows empty fragments. They do not count towards the size of the message, so that without
/// this limit a message could continue forever.
const MAX_EMPTY_FRAGMENTS: u16 = 1024;

/// A message or control frame from the client. A payload that arrived in one piece borrows from the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded<'a> {
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Part(PartBuf<'a>),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close(Option<Close>),
}

/// The decoder of one connection. Between messages the decoder owns no buffer.
#[derive(Debug)]
pub(crate) struct Decoder {
    max_message_size: usize,
    /// The largest data frame, or `u32::MAX` for no limit. In four bytes, because every connection has a decoder.
    max_frame_size: u32,
    /// The smaller of the two limits, for [`decode_short`](Self::decode_short). Zero without validation, because
    /// invalid text is replaced by a copy.
    max_short_len: u8,
    validate_utf8: bool,
    /// Whether incomplete messages are delivered in parts.
    takes_parts: bool,
    /// The message whose last frame is incomplete.
    message: Option<Box<PartialMessage>>,
    /// The decompressor, if compression was negotiated.
    inflater: Option<Box<Inflater>>,
}

/// The extent to which the input completes a data frame.
enum Progress<'a> {
    /// The frame is incomplete.
    Incomplete,
    /// The frame is complete, and the message continues in another frame.
    Frame,
    /// The message is complete, or a part of it is to be delivered.
    Message(Decoded<'a>),
}

impl Decoder {
    pub(crate) fn new(max_message_size: usize, validate_utf8: bool) -> Self {
        let mut decoder = Self {
            max_message_size,
            max_frame_size: u32::MAX,
            max_short_len: 0,
            validate_utf8,
            takes_parts: false,
            message: None,
            inflater: None,
        };
        decoder.update_short_limit();
        decoder
    }

    pub(crate) fn set_max_message_size(&mut self, bytes: usize) {
        self.max_message_size = bytes;
        self.update_short_limit();
    }

    pub(crate) fn set_max_frame_size(&mut self, bytes: Option<usize>) {
        self.max_frame_size = bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or(u32::MAX);
        self.update_short_limit();
    }

    fn max_frame_size(&self) -> usize {
        if self.max_frame_size == u32::MAX { usize::MAX } else { self.max_frame_size as usize }
    }

    fn update_short_limit(&mut self) {
        let limit = if self.validate_utf8 { self.max_message_size.min(self.max_frame_size()) } else { 0 };
        self.max_short_len = u8::try_from(limit).unwrap_or(u8::MAX);
    }

    /// Decodes a complete, uncompressed message of at most 125 bytes in one frame.
    ///
    /// Returns `None` for any other input, which [`decode`](Self::decode) has to process.
    // PERF: the header of a short frame is matched at once. budget: text64x16
    // The general path is `decode`; the test `decode_short_agrees_with_decode` holds the two equal.
    #[inline(always)]
    pub(crate) fn decode_short<'a>(
        &mut self,
        input: &mut &'a mut [u8],
    ) -> Option<Result<BorrowedMessage<'a>, ProtocolError>> {
        let [first @ (0x81 | 0x82), second @ 0x80..=0xfd, a, b, c, d, ..] = **input else { return None };
        let len = second & 0x7f;
        if self.message.is_some() || len > self.max_short_len {
            return None;
        }
        let len = usize::from(len);
        let payload = input.split_off_mut(..6 + len)?.get_mut(6..)?;
        mask::apply(payload, [a, b, c, d]);
        if first == 0x82 {
            return Some(Ok(BorrowedMessage::Binary(payload)));
        }
        match simdutf8::basic::from_utf8(payload) {
            Ok(text) => Some(Ok(BorrowedMessage::Text(text))),
            Err(_) => Some(Err(ProtocolError::BadEncoding)),
        }
    }

    /// Returns the capacity of the buffer for the incomplete message.
    #[cfg(any(test, fuzzing))]
    pub(super) fn capacity(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.payload.capacity())
    }

    /// Takes the next message or control frame off the front of the input.
    ///
    /// `None` means that more input is needed. The next input then has to start with the bytes that are left
    /// of this one: less than a header and a control frame.
    pub(crate) fn decode<'a>(
        &mut self,
        input: &mut &'a mut [u8],
    ) -> Result<Option<Decoded<'a>>, ProtocolError> {
        // PERF: two instances, so that connections without compression skip its checks. budget: binary16k
        if self.inflater.is_none() {
            self.decode_generic::<false>(input)
        } else {
            self.decode_generic::<true>(input)
        }
    }

    fn decode_generic<'a, const INFLATES: bool>(
        &mut self,
        input: &mut &'a mut [u8],
    ) -> Result<Option<Decoded<'a>>, ProtocolError> {
        loop {
            if let Some(frame) = self.message.as_ref().and_then(|message| message.frame) {
                let before = input.len();
                let progress = if self.takes_parts {
                    self.continue_part(frame, input)
                } else {
                    self.continue_frame(frame, input)
                };
                match progress {
                    Ok(Progress::Incomplete) => return Ok(None),
                    Ok(Progress::Frame) => {}
                    Ok(Progress::Message(message)) => return Ok(Some(message)),
                    Err(error) => {
                        self.consume_rejected(before - input.len());
                        return Err(error);
                    }
                }
            }
            let len = self.message.as_ref().map_or(0, |message| message.len());
            let mut max_len = self.max_message_size.saturating_sub(len);
            let mut max_compressed_len = None;
            if INFLATES && let Some(inflater) = &self.inflater {
                let limit = inflater.next_frame_limit(self.max_message_size);
                max_compressed_len = Some(limit);
                // A continuation of a compressed message counts against the compressed size.
                max_len = if inflater.is_active() { limit } else { max_len };
            }
            max_len = max_len.min(self.max_frame_size());
            max_compressed_len = max_compressed_len.map(|limit| limit.min(self.max_frame_size()));
            let header = if INFLATES && input.first().is_some_and(|first| first & 0x7f == COMPRESSED) {
                self.parse_compressed_continuation(input, max_len)?
            } else {
                Header::parse(input, self.message.is_some(), max_len, max_compressed_len)?
            };
            let Some(header) = header else { return Ok(None) };
            let available = input.len() - header.size;
            if header.opcode.is_control() {
                return if available < header.len {
                    Ok(None)
                } else if header.opcode == Opcode::Close {
                    let close = parse_masked_close(&input[header.size..][..header.len], header.mask)?;
                    split_front(input, header.size + header.len);
                    Ok(Some(Decoded::Close(close)))
                } else {
                    let payload = take_payload(input, &header);
                    Ok(Some(match header.opcode {
                        Opcode::Ping => Decoded::Ping(payload),
                        _ => Decoded::Pong(payload),
                    }))
                };
            }
            // The output of a compressed frame may have to be delivered in parts.
            let in_parts = INFLATES && header.compressed && self.takes_parts;
            if header.fin && self.message.is_none() && available >= header.len && !in_parts {
                let payload = take_payload(input, &header);
                if INFLATES && header.compressed {
                    return self.decode_complete_compressed(header.opcode, payload).map(Some);
                }
                return self.decode_complete(header.opcode, payload).map(Some);
            }
            split_front(input, header.size);
            self.start_frame(&header)?;
        }
    }

    /// Records that `len` bytes of the current frame were consumed before they were rejected.
    #[cold]
    fn consume_rejected(&mut self, len: usize) {
        if let Some(PartialMessage { frame: Some(frame), .. }) = self.message.as_deref_mut() {
            frame.remaining = frame.remaining.saturating_sub(len);
        }
    }

    /// Stops decoding and drops the incomplete message. Returns how many bytes of its current frame have not
    /// arrived.
    pub(crate) fn stop(&mut self) -> u64 {
        if let Some(inflater) = &mut self.inflater {
            inflater.release_codec();
        }
        let frame = self.message.take().and_then(|message| message.frame);
        frame.map_or(0, |frame| frame.remaining as u64)
    }

    /// Drops the incomplete message.
    pub(crate) fn drop_message(&mut self) {
        self.message = None;
    }

    /// Decodes a message whose only frame is complete.
    fn decode_complete<'a>(
        &self,
        opcode: Opcode,
        payload: &'a mut [u8],
    ) -> Result<Decoded<'a>, ProtocolError> {
        if opcode == Opcode::Binary {
            return Ok(Decoded::Binary(Cow::Borrowed(payload)));
        }
        match simdutf8::basic::from_utf8(payload) {
            Ok(text) => Ok(Decoded::Text(Cow::Borrowed(text))),
            Err(_) => self.on_invalid_utf8(payload),
        }
    }

    /// Rejects text that is not UTF-8 or, without validation, replaces the invalid sequences.
    #[cold]
    fn on_invalid_utf8<'a>(&self, payload: &'a [u8]) -> Result<Decoded<'a>, ProtocolError> {
        if self.validate_utf8 {
            return Err(ProtocolError::BadEncoding);
        }
        Ok(Decoded::Text(String::from_utf8_lossy(payload)))
    }

    /// Starts a data frame that is incomplete, or that is not the only one of its message.
    fn start_frame(&mut self, header: &Header) -> Result<(), ProtocolError> {
        let message = match header.opcode {
            Opcode::Text => self.message.insert(PartialMessage::start(MessageKind::Text)),
            Opcode::Binary => self.message.insert(PartialMessage::start(MessageKind::Binary)),
            _ => self.message.get_or_insert_default(),
        };
        if header.len == 0 {
            message.empty_fragments += 1;
            if message.empty_fragments > MAX_EMPTY_FRAGMENTS {
                return Err(ProtocolError::LimitExceeded);
            }
        }
        message.frame =
            Some(PartialFrame { fin: header.fin, mask: header.mask, remaining: header.len, reserved: 0 });
        if let Some(inflater) = &mut self.inflater {
            if header.opcode != Opcode::Continuation {
                inflater.start_message();
            }
            if header.compressed {
                inflater.start_stream(message.payload.len());
            }
        }
        Ok(())
    }

    /// Adds input to the data frame that is incomplete.
    fn continue_frame(
        &mut self,
        mut frame: PartialFrame,
        input: &mut &mut [u8],
    ) -> Result<Progress<'static>, ProtocolError> {
        let part = split_front(input, frame.remaining.min(input.len()));
        mask::apply(part, frame.mask);
        let is_compressed = self.is_compressed();
        if is_compressed {
            self.inflate(part)?;
        }
        let message = self.message.get_or_insert_default();
        if !is_compressed {
            if self.validate_utf8 && message.kind == MessageKind::Text {
                message.utf8.feed(part)?;
            }
            message.append(&mut frame, part);
        }
        frame.mask = mask::advance(frame.mask, part.len());
        frame.remaining -= part.len();
        message.frame = (frame.remaining > 0).then_some(frame);
        if frame.remaining > 0 {
            return Ok(Progress::Incomplete);
        }
        if frame.fin {
            return self.finish().map(Progress::Message);
        }
        if self.inflater.as_ref().is_some_and(|inflater| inflater.is_per_frame()) {
            self.finish_compressed()?;
        }
        Ok(Progress::Frame)
    }

    /// Returns the message whose last frame is complete.
    fn finish(&mut self) -> Result<Decoded<'static>, ProtocolError> {
        self.finish_compressed()?;
        let message = self.message.take().unwrap_or_default();
        let kind = message.kind;
        let (payload, mut utf8) = message.finish();
        if kind == MessageKind::Binary {
            return Ok(Decoded::Binary(Cow::Owned(payload)));
        }
        utf8.finish()?;
        match String::from_utf8(payload) {
            Ok(text) => Ok(Decoded::Text(Cow::Owned(text))),
            Err(_) if self.validate_utf8 => Err(ProtocolError::BadEncoding),
            Err(error) => {
                Ok(Decoded::Text(Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned())))
            }
        }
    }
}

/// Parses the body of a close frame. A frame that is rejected stays in the input, where
/// [`Decoder::stop`] leaves it to be found as the client's close frame.
fn parse_masked_close(masked: &[u8], mask: [u8; 4]) -> Result<Option<Close>, ProtocolError> {
    let mut payload = [0; MAX_CONTROL_PAYLOAD];
    let payload = &mut payload[..masked.len()];
    payload.copy_from_slice(masked);
    mask::apply(payload, mask);
    parse_close(payload)
}

/// Parses the body of a close frame (RFC 6455 §5.5.1): empty, or a code and UTF-8.
///
/// [`Header::parse`] already rejected a body of one byte.
fn parse_close(payload: &[u8]) -> Result<Option<Close>, ProtocolError> {
    let Some((code, reason)) = payload.split_first_chunk() else { return Ok(None) };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !may_be_sent(code) {
        return Err(ProtocolError::BadFrame("close code may not be sent"));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::BadEncoding)?;
    Ok(Some(Close::new(code, reason)))
}

/// Takes a complete frame off the input and unmasks its payload.
fn take_payload<'a>(input: &mut &'a mut [u8], header: &Header) -> &'a mut [u8] {
    split_front(input, header.size);
    let payload = split_front(input, header.len);
    mask::apply(payload, header.mask);
    payload
}

/// Takes `len` bytes off the front of the input, which must contain as many.
fn split_front<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    input.split_off_mut(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests;
