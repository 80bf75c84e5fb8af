//! Decodes arbitrary bytes with and without compression. The pieces must make no difference, nor whether messages
//! are decoded in parts. Messages and memory must stay within the limit.

use ws_core::Message;
use ws_core::fuzzing::Decoder;

use super::support::{Cuts, Input, decode};

const LIMITS: [usize; 8] = [1, 10, 125, 126, 1000, 5000, 65_536, 1 << 20];

/// Runs the target. `data` holds a byte of settings, the cuts, the stream.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let settings = input.byte();
    let validates = settings & 1 == 0;
    let takeover = [None, None, Some(false), Some(true)][usize::from(settings >> 1 & 3)];
    let limit = LIMITS[usize::from(settings >> 3 & 7)];
    let cuts = input.cuts();
    let stream = input.0;

    let verdict = |cuts: &Cuts| decode(Decoder::new(limit, validates, takeover), limit, stream, cuts);
    let whole = verdict(&Cuts::At(Vec::new()));
    assert_eq!(verdict(&cuts), whole, "{cuts:?}");
    assert_eq!(verdict(&Cuts::Everywhere), whole, "byte by byte");
    let parts =
        |cuts: &Cuts| decode(Decoder::new(limit, validates, takeover).in_parts(), limit, stream, cuts);
    assert_eq!(parts(&Cuts::At(Vec::new())), whole, "in parts");
    assert_eq!(parts(&cuts), whole, "in parts, {cuts:?}");
    assert_eq!(parts(&Cuts::Everywhere), whole, "in parts, byte by byte");
    for message in &whole.messages {
        let len = match message {
            // Without validation, U+FFFD has three bytes and may replace one.
            Message::Text(text) if validates => text.len(),
            Message::Text(text) => text.chars().count(),
            Message::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        assert!(len <= limit, "{len} bytes for a limit of {limit}");
    }
}
