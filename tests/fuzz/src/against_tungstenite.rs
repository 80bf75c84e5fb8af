//! Decodes arbitrary bytes with our decoder and with tungstenite, without compression. The messages must be
//! equal, and both must fail or neither.

use std::io::{self, Cursor, Read, Write};

use tungstenite::error::{CapacityError, Error};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message as TungsteniteMessage, WebSocket};
use ws_core::fuzzing::Decoder;
use ws_core::{Close, CloseCode, Message, ProtocolError};

use super::support::{Cuts, Input, Verdict, decode};

/// The limits. Tungstenite applies them to control frames too, so that 125 is the smallest.
const LIMITS: [usize; 4] = [125, 126, 200, 70_000];

/// Runs the target. `data` holds a byte that selects the limit, the cuts, the stream.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let limit = LIMITS[usize::from(input.byte() % 4)];
    let cuts = input.cuts();
    compare(input.0, &cuts, limit);
}

/// Checks that both decoders agree on a stream, with these exceptions:
///
/// - tungstenite accepts a length that is not minimal, which RFC 6455 §5.2 forbids. In a control frame, such a
///   length has 16 or 64 bits.
/// - tungstenite rejects the close code 1014, which was registered later.
/// - tungstenite checks a frame once it is complete. The stream is therefore extended to the end of the frame in
///   which we find an error.
/// - Of two errors in one frame, tungstenite may report the other one.
pub fn compare(stream: &[u8], cuts: &Cuts, limit: usize) {
    let Verdict { messages: mut decoded, error } =
        decode(Decoder::new(limit, true, None), limit, stream, cuts);
    let rejection = Message::Close(Close::new(CloseCode::Protocol, "Protocol violation"));
    let Some(error) = error else {
        if let Some(Message::Close(close)) = decoded.last_mut()
            && u16::from(close.code) == 1014
        {
            *close = Close::new(CloseCode::Protocol, "Protocol violation");
        }
        return assert_eq!(tungstenite(stream, limit), (decoded, None));
    };
    let (expected, failure) = tungstenite(&completed(stream, limit), limit);
    assert!(expected.starts_with(&decoded), "{decoded:?} {expected:?}");
    match error {
        ProtocolError::BadFrame("length is not minimal" | "control frame is too long") => {}
        ProtocolError::BadFrame("close code may not be sent") if expected.len() > decoded.len() => {
            assert_eq!(expected[decoded.len()..], [rejection]);
        }
        ProtocolError::BadFrame(_) => {
            assert!(failure.is_some() && expected == decoded, "{error} {decoded:?} {expected:?}")
        }
        _ => assert_eq!((expected, failure), (decoded, Some(error.code()))),
    }
}

/// Returns the stream up to the end of the frame in which we find an error. Missing bytes are zero.
fn completed(stream: &[u8], limit: usize) -> Vec<u8> {
    let mut stream = [stream, &vec![0; limit + 14]].concat();
    let (mut end, mut is_wrong) = (0, false);
    while !is_wrong && end < stream.len() {
        let mut cursor = Cursor::new(&stream[end..]);
        // An invalid header is reported without the rest of the frame.
        let Ok(Some((_, len))) = FrameHeader::parse(&mut cursor) else { return stream };
        let len = usize::try_from(cursor.position().saturating_add(len)).unwrap_or(usize::MAX);
        end = end.saturating_add(len).min(stream.len());
        let decoder = Decoder::new(limit, true, None);
        is_wrong = decode(decoder, limit, &stream[..end], &Cuts::At(Vec::new())).error.is_some();
    }
    stream.truncate(end);
    stream
}

/// Decodes a stream with tungstenite. Returns the messages, and the close code of the error that ended it.
fn tungstenite(stream: &[u8], limit: usize) -> (Vec<Message>, Option<CloseCode>) {
    let config = WebSocketConfig::default().max_message_size(Some(limit)).max_frame_size(Some(limit));
    let mut socket = WebSocket::from_raw_socket(Wire(stream), Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(TungsteniteMessage::Text(text)) => messages.push(Message::Text(text)),
            Ok(TungsteniteMessage::Binary(bytes)) => messages.push(Message::Binary(bytes)),
            Ok(TungsteniteMessage::Ping(payload)) => messages.push(Message::Ping(payload.into())),
            Ok(TungsteniteMessage::Pong(payload)) => messages.push(Message::Pong(payload.into())),
            Ok(TungsteniteMessage::Close(close)) => {
                let close = close.map(|close| Close::new(close.code, close.reason));
                messages.push(Message::Close(close.unwrap_or(Close::from(1005))));
                return (messages, None);
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (messages, None),
            Err(Error::Utf8(_)) => return (messages, Some(CloseCode::Invalid)),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                return (messages, Some(CloseCode::Size));
            }
            Err(Error::Protocol(_)) => return (messages, Some(CloseCode::Protocol)),
            other => panic!("{other:?}"),
        }
    }
}

/// A stream that never ends, and that accepts all writes.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
