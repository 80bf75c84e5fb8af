//! Decodes arbitrary bytes as compressed messages, in any fragments and pieces. The result must equal that of
//! the reference and, for input that it supports, of miniz_oxide.

use flate2::{Decompress, FlushDecompress};
use ws_core::fuzzing::{Decoder, frame};
use ws_core::{Message, ProtocolError};

use super::reference::Reference;
use super::support::{Cuts, Input, TAIL, Verdict, decode, fragments};

const LIMITS: [usize; 4] = [10, 300, 5000, 200_000];

/// Runs the target. `data` holds a byte of settings, the cuts, the length of fragments, and messages with a length prefix.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let settings = input.byte();
    let (takeover, is_text) = (settings & 1 == 0, settings & 2 == 0);
    let limit = LIMITS[usize::from(settings >> 2 & 3)];
    let (cuts, fragment) = (input.cuts(), usize::from(input.byte()) + 1);

    let mut reference = Reference::default();
    let mut peer = Decompress::new(false);
    let (mut stream, mut expect) = (Vec::new(), Verdict { messages: Vec::new(), error: None });
    while !input.0.is_empty() && expect.error.is_none() {
        let len = usize::from(input.byte());
        // 255 stands for all remaining bytes.
        let payload = input.take(if len == 255 { usize::MAX } else { len });
        // The target `decoder` covers messages whose header exceeds the limit.
        let payload = &payload[..payload.len().min(limit)];
        stream.extend(fragments(if is_text { 0x41 } else { 0x42 }, payload, fragment));

        let (mut message, mut error) = reference.inflate(payload, takeover, limit);
        if error.is_none() && !reference.has_ended && !payload.is_empty() {
            if !takeover {
                peer.reset(false);
            }
            assert_eq!(inflate(&mut peer, payload), message, "{payload:02x?}");
        }
        message.truncate(limit);
        match std::str::from_utf8(&message) {
            Err(invalid) if is_text && (error.is_none() || invalid.error_len().is_some()) => {
                error = Some(ProtocolError::BadEncoding);
            }
            Ok(text) if is_text && error.is_none() => expect.messages.push(text.into()),
            _ if error.is_none() => expect.messages.push(message.into()),
            _ => {}
        }
        expect.error = error;
    }
    // A ping at the end shows whether decoding stops at the error.
    stream.extend(frame(0x89, b"end"));
    if expect.error.is_none() {
        expect.messages.push(Message::Ping("end".into()));
    }

    let verdict = |cuts: &Cuts| decode(Decoder::new(limit, true, Some(takeover)), limit, &stream, cuts);
    assert_eq!(verdict(&Cuts::At(Vec::new())), expect);
    assert_eq!(verdict(&cuts), expect, "{cuts:?}");
    assert_eq!(verdict(&Cuts::Everywhere), expect, "byte by byte");
    let parts =
        |cuts: &Cuts| decode(Decoder::new(limit, true, Some(takeover)).in_parts(), limit, &stream, cuts);
    assert_eq!(parts(&Cuts::At(Vec::new())), expect, "in parts");
    assert_eq!(parts(&cuts), expect, "in parts, {cuts:?}");
    assert_eq!(parts(&Cuts::Everywhere), expect, "in parts, byte by byte");
}

/// Inflates a valid message with miniz_oxide.
pub fn inflate(peer: &mut Decompress, payload: &[u8]) -> Vec<u8> {
    let input = [payload, &TAIL].concat();
    let (mut out, start) = (Vec::new(), peer.total_in());
    loop {
        out.reserve(4096);
        let remaining = &input[usize::try_from(peer.total_in() - start).unwrap()..];
        let len = out.len();
        let status = peer.decompress_vec(remaining, &mut out, FlushDecompress::Sync);
        assert!(status.is_ok(), "{status:?}");
        let is_read = peer.total_in() - start == input.len() as u64;
        if is_read && out.len() < out.capacity() {
            return out;
        }
        assert!(out.len() > len || !is_read, "{status:?}");
    }
}
