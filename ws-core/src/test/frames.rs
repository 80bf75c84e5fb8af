//! Encodes and decodes frames on the client's side, with the types of tungstenite.

use std::io::Cursor;

use bytes::Bytes;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::close::{Close, CloseCode};
use crate::message::{Message, Ping, Pong};

/// A fixed masking key. Clients on a network need random keys.
const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Encodes a message as a masked frame.
pub(super) fn encode(message: &Message) -> Vec<u8> {
    let close;
    let (opcode, payload) = match message {
        Message::Text(text) => (OpCode::Data(Data::Text), text.as_bytes()),
        Message::Binary(bytes) => (OpCode::Data(Data::Binary), &bytes[..]),
        Message::Ping(ping) => (OpCode::Control(Control::Ping), &ping.0[..]),
        Message::Pong(pong) => (OpCode::Control(Control::Pong), &pong.0[..]),
        Message::Close(frame) => {
            close = frame.payload();
            (OpCode::Control(Control::Close), &close[..])
        }
    };
    let header = FrameHeader { opcode, mask: Some(MASKING_KEY), ..FrameHeader::default() };
    let mut frame = Vec::new();
    // Writing to a vector does not fail.
    let _ = header.format(payload.len() as u64, &mut frame);
    frame.extend(payload.iter().zip(MASKING_KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// The decoder of the handler's frames, which may be fragments of a message.
#[derive(Debug, Default)]
pub(super) struct FrameDecoder {
    /// The message whose last fragment has not arrived: its opcode, its payload so far, and the length of its frames.
    message: Option<(OpCode, Vec<u8>, usize)>,
}

impl FrameDecoder {
    /// Decodes the first frame of the received bytes. Returns the length of the frame and, if the frame completes a
    /// message, the message with the length of all its frames.
    pub(super) fn decode(&mut self, received: &[u8]) -> Option<(usize, Option<(Message, usize)>)> {
        let mut cursor = Cursor::new(received);
        let (header, len) = FrameHeader::parse(&mut cursor).ok()??;
        let start = usize::try_from(cursor.position()).ok()?;
        let end = start + usize::try_from(len).ok()?;
        let payload = received.get(start..end)?;
        if let OpCode::Control(_) = header.opcode {
            return Some((end, Some((decode_message(header.opcode, payload), end))));
        }
        let new = || (header.opcode, Vec::new(), 0);
        let (opcode, mut whole, frames_len) = self.message.take().unwrap_or_else(new);
        let frames_len = frames_len + end;
        if header.is_final && whole.is_empty() {
            return Some((end, Some((decode_message(opcode, payload), frames_len))));
        }
        whole.extend_from_slice(payload);
        if header.is_final {
            return Some((end, Some((decode_message(opcode, &whole), frames_len))));
        }
        self.message = Some((opcode, whole, frames_len));
        Some((end, None))
    }

    /// Returns the length of the frames of an incomplete message.
    pub(super) fn incomplete_len(&self) -> usize {
        self.message.as_ref().map_or(0, |(_, _, frames_len)| *frames_len)
    }
}

/// Decodes the payload of a message or control frame.
fn decode_message(opcode: OpCode, payload: &[u8]) -> Message {
    match opcode {
        OpCode::Data(Data::Text) => Message::text(String::from_utf8_lossy(payload).into_owned()),
        OpCode::Control(Control::Ping) => Message::Ping(Ping(Bytes::copy_from_slice(payload))),
        OpCode::Control(Control::Pong) => Message::Pong(Pong(Bytes::copy_from_slice(payload))),
        OpCode::Control(Control::Close) => Message::Close(match payload.split_first_chunk() {
            Some((code, text)) => Close::new(u16::from_be_bytes(*code), &*String::from_utf8_lossy(text)),
            // An empty close frame stands for 1005 (RFC 6455 §7.1.5).
            None => CloseCode::Status.into(),
        }),
        _ => Message::binary(Bytes::copy_from_slice(payload)),
    }
}

/// Describes a message for the log and for failed expectations.
pub(super) fn describe(message: &Message) -> String {
    match message {
        Message::Text(text) if text.len() > 200 => format!("text of {} bytes", text.len()),
        Message::Text(text) => format!("text {:?}", text.as_str()),
        Message::Binary(bytes) if bytes.len() > 100 => format!("binary of {} bytes", bytes.len()),
        Message::Binary(bytes) => format!("binary {:?}", &bytes[..]),
        Message::Ping(ping) => format!("ping {:?}", ping.0),
        Message::Pong(pong) => format!("pong {:?}", pong.0),
        Message::Close(close) if close.code == CloseCode::Status => "close without a code".into(),
        Message::Close(close) => format!("close {close}"),
    }
}
