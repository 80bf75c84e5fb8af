//! From bytes to messages, in place.

use std::borrow::Cow;

use super::frame::{Header, Opcode};
use super::mask;
use super::utf8::Utf8;
use crate::close::{Close, CloseCode, Fault, may_be_sent};

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
    validate_utf8: bool,
    /// The data frame whose payload is arriving.
    frame: Option<Partial>,
    /// The message whose last frame has not arrived, and its payload so far: unmasked, validated.
    message: Option<Kind>,
    payload: Vec<u8>,
    utf8: Utf8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

#[derive(Clone, Copy, Debug)]
struct Partial {
    fin: bool,
    /// The key for the next byte.
    mask: [u8; 4],
    /// Bytes of payload that have not arrived.
    remaining: usize,
}

/// How far an input brought a data frame.
enum Progress {
    /// Not to its end.
    Starved,
    /// To its end, but the message goes on in another frame.
    Frame,
    /// To the end of the message.
    Message(Decoded<'static>),
}

impl Decoder {
    pub(crate) fn new(max_message_size: usize, validate_utf8: bool) -> Self {
        Self {
            max_message_size,
            validate_utf8,
            frame: None,
            message: None,
            payload: Vec::new(),
            utf8: Utf8::default(),
        }
    }

    pub(crate) fn set_max_message_size(&mut self, bytes: usize) {
        self.max_message_size = bytes;
    }

    /// Takes the next message or control frame off the front of the input. `None` asks for more
    /// input behind what is left of this one, which is less than a header and a control frame.
    pub(crate) fn decode<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Decoded<'a>>, Fault> {
        loop {
            if let Some(frame) = self.frame {
                match self.resume(frame, input)? {
                    Progress::Starved => return Ok(None),
                    Progress::Frame => {}
                    Progress::Message(message) => return Ok(Some(message)),
                }
            }
            let room = self.max_message_size.saturating_sub(self.payload.len());
            let Some(header) = Header::parse(input, self.message.is_some(), room)? else { return Ok(None) };
            let arrived = input.len() - header.size;
            if header.opcode.is_control() {
                return if arrived < header.len {
                    Ok(None)
                } else {
                    control(header.opcode, take_payload(input, &header)).map(Some)
                };
            }
            if header.fin && self.message.is_none() && arrived >= header.len {
                let payload = take_payload(input, &header);
                return self.whole(header.opcode, payload).map(Some);
            }
            take(input, header.size);
            match header.opcode {
                Opcode::Text => self.message = Some(Kind::Text),
                Opcode::Binary => self.message = Some(Kind::Binary),
                _ => {}
            }
            self.frame = Some(Partial { fin: header.fin, mask: header.mask, remaining: header.len });
        }
    }

    /// A message in one frame that is all there: the common case.
    fn whole<'a>(&self, opcode: Opcode, payload: &'a mut [u8]) -> Result<Decoded<'a>, Fault> {
        if opcode == Opcode::Binary {
            return Ok(Decoded::Binary(Cow::Borrowed(payload)));
        }
        match simdutf8::basic::from_utf8(payload) {
            Ok(text) => Ok(Decoded::Text(Cow::Borrowed(text))),
            Err(_) if self.validate_utf8 => Err(Fault::BadEncoding),
            Err(_) => Ok(Decoded::Text(String::from_utf8_lossy(payload))),
        }
    }

    /// Goes on with a data frame.
    fn resume(&mut self, mut frame: Partial, input: &mut &mut [u8]) -> Result<Progress, Fault> {
        let part = take(input, frame.remaining.min(input.len()));
        mask::apply(part, frame.mask);
        if self.validate_utf8 && self.message == Some(Kind::Text) {
            self.utf8.feed(part)?;
        }
        reserve(&mut self.payload, part.len(), frame.remaining);
        self.payload.extend_from_slice(part);
        frame.mask = mask::advance(frame.mask, part.len());
        frame.remaining -= part.len();
        if frame.remaining > 0 {
            self.frame = Some(frame);
            return Ok(Progress::Starved);
        }
        self.frame = None;
        if frame.fin { self.finish().map(Progress::Message) } else { Ok(Progress::Frame) }
    }

    /// The last frame of a message has arrived.
    fn finish(&mut self) -> Result<Decoded<'static>, Fault> {
        let payload = std::mem::take(&mut self.payload);
        if self.message.take() == Some(Kind::Binary) {
            return Ok(Decoded::Binary(Cow::Owned(payload)));
        }
        self.utf8.finish()?;
        match String::from_utf8(payload) {
            Ok(text) => Ok(Decoded::Text(Cow::Owned(text))),
            Err(_) if self.validate_utf8 => Err(Fault::BadEncoding),
            Err(error) => {
                Ok(Decoded::Text(Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned())))
            }
        }
    }
}

fn control(opcode: Opcode, payload: &mut [u8]) -> Result<Decoded<'_>, Fault> {
    Ok(match opcode {
        Opcode::Ping => Decoded::Ping(payload),
        Opcode::Pong => Decoded::Pong(payload),
        _ => Decoded::Close(close(payload)?),
    })
}

/// The body of a close frame (§5.5.1): nothing, or a code and UTF-8. One byte was refused with the
/// header.
fn close(payload: &[u8]) -> Result<Option<Close>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else { return Ok(None) };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !may_be_sent(code) {
        return Err(Fault::BadFrame("close code may not be sent"));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Fault::BadEncoding)?;
    Ok(Some(Close::new(code, reason)))
}

/// Takes a frame off the input and unmasks its payload.
fn take_payload<'a>(input: &mut &'a mut [u8], header: &Header) -> &'a mut [u8] {
    take(input, header.size);
    let payload = take(input, header.len);
    mask::apply(payload, header.mask);
    payload
}

/// Takes bytes off the front of the input, which has that many.
fn take<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    input.split_off_mut(..len).unwrap_or_default()
}

/// Makes room for `part` bytes of a frame of which `remaining` are to come: twice what has
/// arrived, so that growing is cheap, but never more than the frame announces. What the header
/// says alone makes nobody allocate.
fn reserve(payload: &mut Vec<u8>, part: usize, remaining: usize) {
    let needed = payload.len() + part;
    if needed > payload.capacity() {
        let target = (needed * 2).min(payload.len() + remaining);
        payload.reserve_exact(target - payload.len());
    }
}

#[cfg(test)]
mod tests;
