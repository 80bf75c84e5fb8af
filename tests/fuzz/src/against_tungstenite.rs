//! The same bytes to our decoder and to tungstenite, without compression: the same messages, and both
//! fail or neither.

use std::io::{self, Cursor, Read, Write};

use tungstenite::error::{CapacityError, Error};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message as Theirs, WebSocket};
use ws_core::fuzzing::Decoder;
use ws_core::{Close, CloseCode, Message, ProtocolError};

use super::support::{Cuts, Input, Verdict, decode};

/// The smallest is that of control frames, to which tungstenite applies it too.
const LIMITS: [usize; 4] = [125, 126, 200, 70_000];

/// A byte that says which limit, the cuts, the stream.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let limit = LIMITS[usize::from(input.byte() % 4)];
    let cuts = input.cuts();
    compare(input.0, &cuts, limit);
}

/// Both say the same of a stream, but for this:
///
/// - tungstenite lets a length pass that is not minimal, which RFC 6455 §5.2 forbids; in a control
///   frame that is one in more bits than a length up to 125 has.
/// - It does not know that 1014 was registered.
/// - It looks at a frame when it is complete. So the stream ends with the one that is wrong.
/// - Of two faults in one frame it may name the other one.
pub fn compare(stream: &[u8], cuts: &Cuts, limit: usize) {
    let Verdict { messages: mut ours, fault } = decode(Decoder::new(limit, true, None), limit, stream, cuts);
    let refused = Message::Close(Close::new(CloseCode::Protocol, "Protocol violation"));
    let Some(fault) = fault else {
        if let Some(Message::Close(close)) = ours.last_mut()
            && u16::from(close.code) == 1014
        {
            *close = Close::new(CloseCode::Protocol, "Protocol violation");
        }
        return assert_eq!(tungstenite(stream, limit), (ours, None));
    };
    let (theirs, failure) = tungstenite(&completed(stream, limit), limit);
    assert!(theirs.starts_with(&ours), "{ours:?} {theirs:?}");
    match fault {
        ProtocolError::BadFrame("length is not minimal" | "control frame is too long") => {}
        ProtocolError::BadFrame("close code may not be sent") if theirs.len() > ours.len() => {
            assert_eq!(theirs[ours.len()..], [refused]);
        }
        ProtocolError::BadFrame(_) => {
            assert!(failure.is_some() && theirs == ours, "{fault} {ours:?} {theirs:?}")
        }
        _ => assert_eq!((theirs, failure), (ours, Some(fault.code()))),
    }
}

/// A stream up to the end of the frame in which we find a fault; what is missing of it is zeros.
fn completed(stream: &[u8], limit: usize) -> Vec<u8> {
    let mut stream = [stream, &vec![0; limit + 14]].concat();
    let (mut end, mut is_wrong) = (0, false);
    while !is_wrong && end < stream.len() {
        let mut cursor = Cursor::new(&stream[end..]);
        // A header that is wrong is found without the frame.
        let Ok(Some((_, len))) = FrameHeader::parse(&mut cursor) else { return stream };
        let len = usize::try_from(cursor.position().saturating_add(len)).unwrap_or(usize::MAX);
        end = end.saturating_add(len).min(stream.len());
        let decoder = Decoder::new(limit, true, None);
        is_wrong = decode(decoder, limit, &stream[..end], &Cuts::At(Vec::new())).fault.is_some();
    }
    stream.truncate(end);
    stream
}

/// What tungstenite makes of a stream: the messages, and the code for the error that ended it.
fn tungstenite(stream: &[u8], limit: usize) -> (Vec<Message>, Option<CloseCode>) {
    let config = WebSocketConfig::default().max_message_size(Some(limit)).max_frame_size(Some(limit));
    let mut socket = WebSocket::from_raw_socket(Wire(stream), Role::Server, Some(config));
    let mut seen = Vec::new();
    loop {
        match socket.read() {
            Ok(Theirs::Text(text)) => seen.push(Message::Text(text)),
            Ok(Theirs::Binary(bytes)) => seen.push(Message::Binary(bytes)),
            Ok(Theirs::Ping(payload)) => seen.push(Message::Ping(payload.into())),
            Ok(Theirs::Pong(payload)) => seen.push(Message::Pong(payload.into())),
            Ok(Theirs::Close(close)) => {
                let close = close.map(|close| Close::new(close.code, close.reason));
                seen.push(Message::Close(close.unwrap_or(Close::from(1005))));
                return (seen, None);
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (seen, None),
            Err(Error::Utf8(_)) => return (seen, Some(CloseCode::Invalid)),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                return (seen, Some(CloseCode::Size));
            }
            Err(Error::Protocol(_)) => return (seen, Some(CloseCode::Protocol)),
            other => panic!("{other:?}"),
        }
    }
}

/// A stream that never ends, to whose other end everything can be said.
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
