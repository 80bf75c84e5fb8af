//! From bytes to messages, in place.

mod direct_read;
mod partial_message;

use std::borrow::Cow;

use partial_message::{MessageKind, PartialFrame, PartialMessage};

use super::deflate::{Inflater, ThreadBuffer};
use super::frame::{COMPRESSED, Header, MAX_CLIENT_HEADER, Opcode};
use super::mask;
use super::utf8::Utf8Validator;
use crate::close::{Close, CloseCode, ProtocolError, may_be_sent};

/// How many fragments of a message may be empty. They do not count towards its size, and would
/// otherwise go on for ever; RFC 6455 §5.4 allows them, and has no use for them.
const MAX_EMPTY_FRAGMENTS: u16 = 1024;

/// What a client said. A payload that arrived in one piece is borrowed from the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded<'a> {
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close(Option<Close>),
}

/// The decoder of one connection. Between messages it owns no memory.
#[derive(Debug)]
pub(crate) struct Decoder {
    max_message_size: usize,
    max_frame_size: usize,
    /// How large a short message may be: no larger than the smaller of the two.
    max_short_len: u8,
    validate_utf8: bool,
    /// The message whose last frame has not arrived.
    message: Option<Box<PartialMessage>>,
    /// What compressed messages go through, if there may be such.
    inflater: Option<Box<Inflater>>,
}

/// How far an input brought a data frame.
enum Progress {
    /// Not to its end.
    Incomplete,
    /// To its end, but the message goes on in another frame.
    Frame,
    /// To the end of the message.
    Message(Decoded<'static>),
}

impl Decoder {
    pub(crate) fn new(max_message_size: usize, validate_utf8: bool) -> Self {
        Self {
            max_message_size,
            max_frame_size: usize::MAX,
            max_short_len: short_limit(max_message_size),
            validate_utf8,
            message: None,
            inflater: None,
        }
    }

    /// From now on messages may be compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn set_inflater(&mut self, inflater: Inflater) {
        self.inflater = Some(Box::new(inflater));
    }

    /// Messages are told apart from now on, but not what they say.
    pub(crate) fn discard(&mut self) {
        let Some(inflater) = &mut self.inflater else { return };
        inflater.discard();
        let per_frame = inflater.is_per_frame();
        if let Some(message) = &mut self.message
            && (per_frame || inflater.is_active())
        {
            message.payload = Vec::new();
            if let Some(frame) = &mut message.frame {
                frame.reserved = 0;
            }
            message.utf8 = Utf8Validator::default();
        }
        // What lacks some of its frames is no text any more.
        self.validate_utf8 &= !per_frame;
    }

    pub(crate) fn set_max_message_size(&mut self, bytes: usize) {
        self.max_message_size = bytes;
        self.max_short_len = short_limit(self.max_message_size.min(self.max_frame_size));
    }

    pub(crate) fn set_max_frame_size(&mut self, bytes: Option<usize>) {
        self.max_frame_size = bytes.unwrap_or(usize::MAX);
        self.max_short_len = short_limit(self.max_message_size.min(self.max_frame_size));
    }

    /// The common case by itself: a message of at most 125 bytes in one frame that is all there.
    /// `None` leaves everything else, and what is wrong with it, to [`decode`](Self::decode).
    #[inline(always)]
    pub(crate) fn decode_short<'a>(
        &mut self,
        input: &mut &'a mut [u8],
    ) -> Option<Result<Decoded<'a>, ProtocolError>> {
        let [first @ (0x81 | 0x82), second @ 0x80..=0xfd, a, b, c, d, ..] = **input else { return None };
        let len = second & 0x7f;
        if self.message.is_some() || len > self.max_short_len {
            return None;
        }
        let len = usize::from(len);
        let payload = input.split_off_mut(..6 + len)?.get_mut(6..)?;
        mask::apply(payload, [a, b, c, d]);
        if first == 0x82 {
            return Some(Ok(Decoded::Binary(Cow::Borrowed(payload))));
        }
        match simdutf8::basic::from_utf8(payload) {
            Ok(text) => Some(Ok(Decoded::Text(Cow::Borrowed(text)))),
            Err(_) => Some(self.on_invalid_utf8(payload)),
        }
    }

    /// How much memory the message that is arriving takes.
    #[cfg(any(test, fuzzing))]
    pub(super) fn capacity(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.payload.capacity())
    }

    /// Takes the next message or control frame off the front of the input. `None` asks for more
    /// input behind what is left of this one, which is less than a header and a control frame.
    pub(crate) fn decode<'a>(
        &mut self,
        input: &mut &'a mut [u8],
    ) -> Result<Option<Decoded<'a>>, ProtocolError> {
        // Two functions, so that messages that cannot be compressed do not pay for those that can.
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
                match self.continue_frame(frame, input)? {
                    Progress::Incomplete => return Ok(None),
                    Progress::Frame => {}
                    Progress::Message(message) => return Ok(Some(message)),
                }
            }
            let arrived = self.message.as_ref().map_or(0, |message| message.payload.len());
            let mut room = self.max_message_size.saturating_sub(arrived);
            let mut compressed_room = None;
            if INFLATES && let Some(inflater) = &self.inflater {
                compressed_room = Some(inflater.room(self.max_message_size));
                // The frames that follow count like the first.
                room = if inflater.is_active() { inflater.room(self.max_message_size) } else { room };
            }
            room = room.min(self.max_frame_size);
            compressed_room = compressed_room.map(|room| room.min(self.max_frame_size));
            let header = if INFLATES && input.first().is_some_and(|first| first & 0x7f == COMPRESSED) {
                self.compressed_fragment(input, room)?
            } else {
                Header::parse(input, self.message.is_some(), room, compressed_room)?
            };
            let Some(header) = header else { return Ok(None) };
            let arrived = input.len() - header.size;
            if header.opcode.is_control() {
                return if arrived < header.len {
                    Ok(None)
                } else {
                    decode_control(header.opcode, take_payload(input, &header)).map(Some)
                };
            }
            if header.fin && self.message.is_none() && arrived >= header.len {
                let payload = take_payload(input, &header);
                if INFLATES && header.compressed {
                    return self.decode_complete_compressed(header.opcode, payload).map(Some);
                }
                return self.decode_complete(header.opcode, payload).map(Some);
            }
            split_front(input, header.size);
            self.start_message(&header)?;
        }
    }

    /// A message in one frame that is all there.
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

    /// Text that is not UTF-8 is a fault, or made to be UTF-8.
    #[cold]
    fn on_invalid_utf8<'a>(&self, payload: &'a [u8]) -> Result<Decoded<'a>, ProtocolError> {
        if self.validate_utf8 {
            return Err(ProtocolError::BadEncoding);
        }
        Ok(Decoded::Text(String::from_utf8_lossy(payload)))
    }

    /// The same of a compressed one. It is inflated into a buffer of the thread, which is to come
    /// back when the message has been handled.
    fn decode_complete_compressed(
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

    /// A data frame whose payload has not arrived, or which is not all of its message.
    fn start_message(&mut self, header: &Header) -> Result<(), ProtocolError> {
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

    /// The header of a frame that goes on with a message and says that it is compressed. RFC 7692 has
    /// none; where there is one, the bit is looked away from.
    #[cold]
    fn compressed_fragment(&self, input: &[u8], room: usize) -> Result<Option<Header>, ProtocolError> {
        let per_frame = self.inflater.as_ref().filter(|inflater| inflater.is_per_frame());
        let (Some(inflater), Some(_)) = (per_frame, &self.message) else {
            return Header::parse(input, self.message.is_some(), room, None);
        };
        let mut head = [0; MAX_CLIENT_HEADER];
        let len = input.len().min(head.len());
        head[..len].copy_from_slice(&input[..len]);
        head[0] &= !COMPRESSED;
        let room = inflater.remaining_compressed(self.max_message_size).min(self.max_frame_size);
        let header = Header::parse(&head[..len], true, room, None)?;
        Ok(header.map(|header| Header { compressed: true, ..header }))
    }

    /// Whether the message that is arriving is compressed, or the frame.
    fn is_compressed(&self) -> bool {
        self.inflater.as_ref().is_some_and(|inflater| inflater.is_active())
    }

    fn inflate(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        let Self { inflater: Some(inflater), message: Some(message), .. } = self else { return Ok(()) };
        let PartialMessage { kind, payload, utf8, .. } = &mut **message;
        let validates = self.validate_utf8 && *kind == MessageKind::Text;
        let inspect = |piece: &[u8]| if validates { utf8.feed(piece) } else { Ok(()) };
        inflater.feed(part, payload, self.max_message_size, inspect)
    }

    /// Goes on with a data frame.
    fn continue_frame(
        &mut self,
        mut frame: PartialFrame,
        input: &mut &mut [u8],
    ) -> Result<Progress, ProtocolError> {
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

    /// A message has arrived, or a frame of it, that may have been compressed as a whole.
    fn finish_compressed(&mut self) -> Result<(), ProtocolError> {
        let Self { inflater: Some(inflater), message: Some(message), .. } = self else { return Ok(()) };
        if !inflater.is_active() {
            return Ok(());
        }
        let PartialMessage { kind, payload, utf8, .. } = &mut **message;
        let validates = self.validate_utf8 && *kind == MessageKind::Text;
        let inspect = |piece: &[u8]| if validates { utf8.feed(piece) } else { Ok(()) };
        inflater.finish(payload, self.max_message_size, inspect)
    }

    /// The last frame of a message has arrived.
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

fn decode_control(opcode: Opcode, payload: &mut [u8]) -> Result<Decoded<'_>, ProtocolError> {
    Ok(match opcode {
        Opcode::Ping => Decoded::Ping(payload),
        Opcode::Pong => Decoded::Pong(payload),
        _ => Decoded::Close(parse_close(payload)?),
    })
}

/// The body of a close frame (§5.5.1): nothing, or a code and UTF-8. One byte was refused with the
/// header.
fn parse_close(payload: &[u8]) -> Result<Option<Close>, ProtocolError> {
    let Some((code, reason)) = payload.split_first_chunk() else { return Ok(None) };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !may_be_sent(code) {
        return Err(ProtocolError::BadFrame("close code may not be sent"));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::BadEncoding)?;
    Ok(Some(Close::new(code, reason)))
}

/// Takes a frame off the input and unmasks its payload.
fn take_payload<'a>(input: &mut &'a mut [u8], header: &Header) -> &'a mut [u8] {
    split_front(input, header.size);
    let payload = split_front(input, header.len);
    mask::apply(payload, header.mask);
    payload
}

/// How large a message of at most 125 bytes may be.
fn short_limit(max: usize) -> u8 {
    u8::try_from(max).unwrap_or(u8::MAX)
}

/// Takes bytes off the front of the input, which has that many.
fn split_front<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    input.split_off_mut(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests;
