//! Messages of a `WebSocketStream` as frames of the engine, and the other way around.

use std::io::{self, Cursor};
use std::ops::Range;

use bytes::Bytes;
use tokio::io::ReadBuf;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame, FrameHeader};
use tungstenite::{Message, Utf8Bytes};

/// Length of the longest header of a masked frame.
const MAX_HEADER: usize = 14;

/// A message as a masked frame, which the engine reads in parts. The masking key is zero, so that masking
/// leaves the payload unchanged.
pub(crate) struct MaskedFrame {
    header: [u8; MAX_HEADER],
    /// The range of the header's unread bytes.
    unread: Range<usize>,
    payload: Bytes,
}

impl MaskedFrame {
    pub(crate) fn new(message: Message) -> Self {
        let (opcode, payload) = match message {
            Message::Text(text) => (OpCode::Data(Data::Text), text.into()),
            Message::Binary(bytes) => (OpCode::Data(Data::Binary), bytes),
            Message::Ping(payload) => (OpCode::Control(Control::Ping), payload),
            Message::Pong(payload) => (OpCode::Control(Control::Pong), payload),
            Message::Close(close) => {
                let frame = Frame::close(close);
                (OpCode::Control(Control::Close), frame.into_payload())
            }
            // No stream returns this variant; its header names the opcode.
            Message::Frame(frame) => (frame.header().opcode, frame.into_payload()),
        };
        let mut header = [0; MAX_HEADER];
        let mut space = &mut header[..];
        let masked = FrameHeader { opcode, mask: Some([0; 4]), ..FrameHeader::default() };
        // The buffer has space for the longest header.
        let _ = masked.format(payload.len() as u64, &mut space);
        let end = MAX_HEADER - space.len();
        Self { header, unread: 0..end, payload }
    }

    /// Copies as many bytes as fit into the buffer; returns whether the whole frame was read.
    pub(crate) fn read(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let header = &self.header[self.unread.clone()];
        let len = header.len().min(buf.remaining());
        buf.put_slice(&header[..len]);
        self.unread.start += len;
        let len = self.payload.len().min(buf.remaining());
        buf.put_slice(&self.payload.split_to(len));
        self.unread.is_empty() && self.payload.is_empty()
    }
}

/// Parses the first of the engine's frames as a message; returns it with the length of the frame.
pub(super) fn parse_frame(frames: &[u8]) -> io::Result<(Message, usize)> {
    let mut cursor = Cursor::new(frames);
    let header = FrameHeader::parse(&mut cursor).ok().flatten();
    let whole = header.and_then(|(header, len)| {
        let start = usize::try_from(cursor.position()).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        Some((header, Bytes::copy_from_slice(frames.get(start..end)?), end))
    });
    let invalid = |reason: &'static str| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let (header, payload, size) = whole.ok_or_else(|| invalid("incomplete frame"))?;
    let message = match header.opcode {
        OpCode::Data(Data::Text | Data::Binary) if !header.is_final => {
            Message::Frame(Frame::from_payload(header, payload))
        }
        OpCode::Data(Data::Continue) => Message::Frame(Frame::from_payload(header, payload)),
        OpCode::Data(Data::Text) => {
            Message::Text(Utf8Bytes::try_from(payload).map_err(|_| invalid("text is not UTF-8"))?)
        }
        OpCode::Data(Data::Binary) => Message::Binary(payload),
        OpCode::Control(Control::Ping) => Message::Ping(payload),
        // The next pong could replace a `Message::Pong`, but not a `Message::Frame`.
        OpCode::Control(Control::Pong) => Message::Frame(Frame::pong(payload)),
        OpCode::Control(Control::Close) => Message::Close(parse_close(&payload)),
        _ => return Err(invalid("unexpected opcode")),
    };
    Ok((message, size))
}

fn parse_close(payload: &[u8]) -> Option<CloseFrame> {
    let (code, reason) = payload.split_first_chunk()?;
    let reason = String::from_utf8_lossy(reason);
    Some(CloseFrame { code: u16::from_be_bytes(*code).into(), reason: Utf8Bytes::from(&*reason) })
}
