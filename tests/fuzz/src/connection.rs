//! Runs a connection with input, messages of the handler, writes and timeouts in any order. The output must be
//! valid frames of the messages that the handler sent, with a close frame at the end.

use std::io::Cursor;
use std::time::{Duration, Instant};

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use ws_core::fuzzing::{Connection, Parameters};
use ws_core::{CloseReason, Message, Options};

use super::reference::Reference;
use super::support::Input;

const PARAMETERS: Parameters =
    Parameters { level: 6, mem_level: 8, window_bits: 9, server_takeover: true, client_takeover: true };

/// The largest message of the client or the handler, in bytes.
const LARGEST: usize = 2000;

/// The limit of the outbox, in bytes.
const OUTBOX: usize = 600;

fn options(settings: u8) -> Options {
    let mut options = Options::DEFAULT;
    options.max_message_size = LARGEST;
    options.outbox_high_water = 200;
    options.outbox_limit = OUTBOX;
    options.read_ahead = 300;
    options.idle_timeout = Some(Duration::from_secs(1));
    if settings & 1 != 0 {
        options.ping_interval = Some(Duration::from_millis(400));
        options.pong_timeout = Duration::from_millis(200);
        options.max_lifetime = Some(Duration::from_secs(30));
    }
    options
}

/// Runs the target. `data` holds a byte of settings, then steps.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (settings, mut now) = (input.byte(), Instant::now());
    let takeover = settings & 4 != 0;
    let parameters = (settings & 2 != 0).then_some(Parameters { server_takeover: takeover, ..PARAMETERS });
    let mut connection = Connection::new(options(settings), parameters, settings & 8 != 0, now);
    let mut out = Vec::new();
    while !input.0.is_empty() {
        let (waiting, was_closing) = (connection.waiting(), connection.is_closing());
        let reason = connection.close_reason().cloned();
        out.extend(step(&mut connection, &mut input, &mut now));
        // The header, the close frame and the overhead of deflate are not limited.
        assert!(connection.waiting() <= OUTBOX + LARGEST + 200, "{} bytes wait", connection.waiting());
        assert!(!was_closing || connection.waiting() <= waiting, "a frame follows the close frame");
        let is_unchanged = reason.is_none() || connection.close_reason() == reason.as_ref();
        assert!(is_unchanged || connection.close_reason() == Some(&CloseReason::Overflow), "{reason:?}");
    }
    out.extend(end(&mut connection, now));
    let frames = frames(&out, connection.has_write_failed());
    check_frames(&frames, &connection);
    check_messages(&frames, &connection, parameters);
}

/// Performs one step. Returns the bytes that the socket accepted.
fn step(connection: &mut Connection, input: &mut Input<'_>, now: &mut Instant) -> Vec<u8> {
    let step = input.byte();
    let few = usize::from(step >> 4);
    match step % 16 {
        0..=4 => {
            let len = input.byte().into();
            connection.read(input.take(len), step % 16 > 2, *now);
        }
        5 => {
            let text = String::from_utf8_lossy(input.take(few)).repeat(input.byte().into());
            connection.send(text[..text.floor_char_boundary(LARGEST)].into());
        }
        6 => {
            let bytes = input.take(few).repeat(input.byte().into());
            connection.send(bytes[..bytes.len().min(LARGEST)].to_vec().into());
        }
        7 => connection.send(Message::Ping(input.take(few).to_vec().into())),
        8 => connection.send(Message::Pong(input.take(few).to_vec().into())),
        9 => return connection.write(if few == 15 { usize::MAX } else { input.byte().into() }, *now),
        10 => {
            *now += Duration::from_millis(u64::from(input.byte()) * 8);
            connection.handle_timeout(*now);
        }
        11 => connection.deliver(),
        12 => connection.set(few & 1 == 0, few & 2 == 0),
        13 => connection.set_max_message_size(usize::from(input.byte()) + 1),
        14 => connection.send(Message::Close((3000 + u16::from(input.byte())).into())),
        _ => match few {
            0 => connection.shut_down(*now + Duration::from_secs(2)),
            1 => connection.disconnect(true),
            2 => connection.disconnect(false),
            _ => {}
        },
    }
    Vec::new()
}

/// Writes all output until the connection is closing. The handler closes an open connection.
fn end(connection: &mut Connection, now: Instant) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        connection.deliver();
        if connection.waiting() == 0 && connection.close_reason().is_none() {
            connection.send(Message::Close(3999.into()));
        }
        let written = connection.write(usize::MAX, now);
        if written.is_empty() {
            assert!(connection.is_closing());
            return out;
        }
        out.extend(written);
    }
}

/// Parses the frames of a stream. The last one may be truncated if a write failed.
fn frames(stream: &[u8], has_write_failed: bool) -> Vec<(FrameHeader, Vec<u8>)> {
    let (mut frames, mut cursor) = (Vec::new(), Cursor::new(stream));
    while let Some((header, len)) = FrameHeader::parse(&mut cursor).unwrap() {
        let at = usize::try_from(cursor.position()).unwrap();
        let Some(payload) = stream[at..].get(..usize::try_from(len).unwrap()) else { break };
        frames.push((header, payload.to_vec()));
        cursor.set_position(cursor.position() + len);
        if cursor.position() == stream.len() as u64 {
            return frames;
        }
    }
    assert!(has_write_failed || stream.is_empty(), "half a frame");
    frames
}

/// Checks the frames against RFC 6455 §5, and the close code against the reason.
fn check_frames(frames: &[(FrameHeader, Vec<u8>)], connection: &Connection) {
    for (header, payload) in frames {
        assert!(header.is_final && header.mask.is_none() && !header.rsv2 && !header.rsv3);
        if let OpCode::Control(_) = header.opcode {
            assert!(payload.len() <= 125 && !header.rsv1);
        }
    }
    let close = |(header, _): &(FrameHeader, _)| header.opcode == OpCode::Control(Control::Close);
    let closes = frames.iter().filter(|frame| close(frame)).count();
    let last = frames.last().filter(|frame| close(frame));
    assert_eq!(closes, usize::from(last.is_some()), "a close frame is not the last frame");
    let code = match connection.close_reason().unwrap() {
        CloseReason::ConnectionLost(_) => return assert!(last.is_none()),
        CloseReason::Remote(None) => None,
        CloseReason::Remote(Some(close)) | CloseReason::Stop(close) => Some(close.code),
        CloseReason::Protocol(error) => Some(error.code()),
        CloseReason::Overflow => Some(1013.into()),
        CloseReason::Timeout => Some(1001.into()),
        CloseReason::Shutdown | CloseReason::Expired | CloseReason::PongTimeout => Some(1001.into()),
        other => panic!("{other:?}"),
    };
    match last {
        Some((_, payload)) => {
            let sent = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            assert_eq!(sent, code.map(u16::from));
        }
        None => assert!(connection.has_write_failed(), "no close frame"),
    }
}

/// Checks that the client receives the messages of the handler in order, without gaps.
fn check_messages(
    frames: &[(FrameHeader, Vec<u8>)],
    connection: &Connection,
    parameters: Option<Parameters>,
) {
    let mut reference = Reference::default();
    let mut sent = connection.sent.iter().filter_map(|message| match message {
        Message::Text(text) => Some((Data::Text, text.as_str().as_bytes())),
        Message::Binary(bytes) => Some((Data::Binary, &bytes[..])),
        _ => None,
    });
    for (header, payload) in frames {
        let OpCode::Data(kind) = header.opcode else { continue };
        let message = match parameters {
            Some(parameters) if header.rsv1 => {
                let (message, error) = reference.inflate(payload, parameters.server_takeover, LARGEST);
                assert_eq!(error, None);
                message
            }
            _ => {
                assert!(!header.rsv1);
                payload.clone()
            }
        };
        assert_eq!(sent.next(), Some((kind, &message[..])));
    }
    assert!(reference.farthest <= 1 << PARAMETERS.window_bits);
}
