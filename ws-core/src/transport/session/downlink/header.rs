//! Headers of the engine's frames.

/// Returns whether bytes are a whole header of the engine.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let size = header_size(bytes);
    size > 0 && bytes.len() >= size
}

/// Returns the size of a header of the engine, or 0 if its length is not known yet.
pub(super) fn header_size(bytes: &[u8]) -> usize {
    match bytes {
        [_, 0..=125, ..] => 2,
        [_, 126, ..] => 4,
        [_, _, ..] => 10,
        _ => 0,
    }
}

/// Returns the size of the first of several whole frames of the engine.
#[cfg(feature = "client")]
pub(super) fn frame_size(frames: &[u8]) -> usize {
    let size = header_size(frames);
    match frames.get(..size) {
        Some(header) if size > 0 => size.saturating_add(payload_len(header)),
        _ => frames.len(),
    }
}

/// Returns the length of the payload after a complete header of the engine.
pub(super) fn payload_len(header: &[u8]) -> usize {
    match *header {
        [_, len] => usize::from(len),
        [_, _, a, b] => usize::from(u16::from_be_bytes([a, b])),
        [_, _, ref len @ ..] => len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        _ => 0,
    }
}
