//! Input after the server's close frame: skipped up to the client's close frame, at a limited pace.

use std::time::{Duration, Instant};

/// The fastest pace in bytes per second.
const RATE: u64 = 4 << 20;

/// The number of discarded bytes after which the pace falls to a half. The next such number lowers the pace
/// to a third, and so on.
const SLOWDOWN: u64 = 32 << 20;

/// How long a client that sends less than the pace allows can save up bytes: 1 MiB at the fastest pace.
const CREDIT: Duration = Duration::from_millis(250);

/// The longest header of a frame, in bytes.
const MAX_HEADER: usize = 14;

/// The input that a closing connection discards.
///
/// A socket that is closed while bytes are unread resets the connection, and the client or a proxy might then
/// miss the close frame. The pace and the number of bytes are limited, because a client could send forever.
#[derive(Debug)]
pub(super) struct DiscardedInput {
    frames: FrameSkipper,
    /// The number of bytes so far.
    len: u64,
    /// When the next bytes may be read.
    resume_at: Option<Instant>,
}

impl DiscardedInput {
    /// Starts inside a frame of which `remaining` bytes have not arrived; zero is the start of a frame.
    pub(super) fn new(remaining: u64) -> Self {
        Self { frames: FrameSkipper { remaining, ..FrameSkipper::default() }, len: 0, resume_at: None }
    }

    /// Discards bytes that arrived at `now`. Returns true if they complete a close frame.
    pub(super) fn push(&mut self, input: &[u8], now: Instant) -> bool {
        let len = input.len() as u64;
        let slowdown = u32::try_from(1 + self.len / SLOWDOWN).unwrap_or(u32::MAX);
        let pause = Duration::from_nanos(len.saturating_mul(1_000_000_000) / RATE).saturating_mul(slowdown);
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        self.resume_at = self.resume_at.map_or(earliest, |at| at.max(earliest)).checked_add(pause);
        self.len = self.len.saturating_add(len);
        self.frames.skip(input)
    }

    /// Returns the number of bytes that were discarded.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Returns when the next bytes may be read.
    pub(super) fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }
}

/// A parser that skips frames without a check of their headers. After a protocol error, most streams still
/// consist of frames.
#[derive(Debug, Default)]
struct FrameSkipper {
    /// The payload bytes of the current frame that have not arrived.
    remaining: u64,
    is_close: bool,
    /// The incomplete header of the next frame.
    header: [u8; MAX_HEADER],
    header_len: usize,
}

impl FrameSkipper {
    /// Skips bytes. Returns true after the last byte of a close frame.
    fn skip(&mut self, mut input: &[u8]) -> bool {
        loop {
            let available = input.len() as u64;
            if self.remaining > available {
                self.remaining -= available;
                return false;
            }
            let payload = usize::try_from(self.remaining).unwrap_or(input.len());
            self.remaining = 0;
            if self.is_close {
                return true;
            }
            let Some((&byte, rest)) = input.get(payload..).and_then(<[u8]>::split_first) else {
                return false;
            };
            input = rest;
            // A header is complete at `MAX_HEADER` bytes at the latest.
            self.header[self.header_len] = byte;
            self.header_len += 1;
            if let Some(len) = payload_len(&self.header[..self.header_len]) {
                self.remaining = len;
                self.is_close = self.header[0] & 0x0f == 8;
                self.header_len = 0;
            }
        }
    }
}

/// Returns the length that a complete header announces, whether or not RFC 6455 allows that header.
fn payload_len(header: &[u8]) -> Option<u64> {
    let &[_, second, ref rest @ ..] = header else { return None };
    let (len, rest) = match second & 0x7f {
        126 => rest.split_first_chunk().map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
        127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
        len => (u64::from(len), rest),
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    (rest.len() >= mask).then_some(len)
}

/// Returns whether the input ends with a masked close frame that repeats `code`.
///
/// This finds the client's answer in a stream that does not consist of frames any more. Other bytes match by
/// chance once in millions of reads, and then the connection only ends sooner.
pub(super) fn ends_with_close_frame(input: &[u8], code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    (2..=125_u8).any(|len| {
        let frame = input.len().checked_sub(6 + usize::from(len)).and_then(|start| input.get(start..));
        matches!(frame, Some([0x88, second, a, b, _, _, c, d, ..])
            if *second == 0x80 | len && c ^ a == high && d ^ b == low)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::frame;

    /// Returns after how many bytes of the stream a close frame is found, byte by byte and at once.
    fn close_at(remaining: u64, stream: &[u8]) -> Option<usize> {
        let now = Instant::now();
        let mut input = DiscardedInput::new(remaining);
        let at = stream.iter().position(|byte| input.push(&[*byte], now)).map(|at| at + 1);
        assert_eq!(DiscardedInput::new(remaining).push(stream, now), at.is_some());
        at
    }

    #[test]
    fn finds_the_close_frame_behind_frames_of_any_kind() {
        let close = frame(0x88, &1009_u16.to_be_bytes());
        for before in [
            vec![],
            frame(0x81, b"\x88\x82 not a close frame"),
            frame(0x82, &[0x88; 300]),
            frame(0x82, &[0x88; 70_000]),
            // Reserved bits, an unknown opcode, a long ping, no mask, and a length that is not minimal.
            frame(0xf1, b"x"),
            frame(0x83, b""),
            frame(0x89, &[0; 126]),
            b"\x81\x05hello".to_vec(),
            b"\x81\x7e\x00\x01x".to_vec(),
        ] {
            let stream = [&before[..], &close].concat();
            assert_eq!(close_at(0, &stream), Some(stream.len()), "{:?}", &before[..before.len().min(9)]);
        }
        assert_eq!(close_at(8, &[&close[..], &close].concat()), Some(16), "the first one is payload");
        assert_eq!(close_at(0, &frame(0x88, b"")), Some(6));
        assert_eq!(
            close_at(0, &[0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0x88]),
            None
        );
        assert_eq!(close_at(u64::MAX, &close), None);
    }

    #[test]
    fn finds_the_answer_at_the_end_of_other_bytes() {
        for reason in [&b""[..], b"too big", &[b'x'; 123]] {
            let close = frame(0x88, &[&1009_u16.to_be_bytes(), reason].concat());
            let stream = [b"noise", &close[..]].concat();
            assert!(ends_with_close_frame(&stream, 1009));
            assert!(!ends_with_close_frame(&stream, 1002));
            assert!(!ends_with_close_frame(&stream[..stream.len() - 1], 1009));
            assert!(!ends_with_close_frame(&[&stream[..], b"x"].concat(), 1009));
        }
        assert!(!ends_with_close_frame(b"", 1009));
    }

    /// Discards as fast as allowed for `time`, 64 KiB at once, and returns the MiB of each second.
    fn paces(input: &mut DiscardedInput, start: Instant, seconds: u32) -> Vec<u64> {
        let mut now = start;
        let end = |second| start + Duration::from_secs(1) * (second + 1);
        (0..seconds)
            .map(|second| {
                let before = input.len();
                while now < end(second) {
                    input.push(&[0; 64 << 10], now);
                    now = now.max(input.resume_at().unwrap());
                }
                (input.len() - before) >> 20
            })
            .collect()
    }

    #[test]
    fn pace_falls_from_four_mebibytes_a_second() {
        let start = Instant::now();
        let mut input = DiscardedInput::new(u64::MAX);
        let paces = paces(&mut input, start, 60);
        assert_eq!(paces[..7], [5, 4, 4, 4, 4, 4, 4], "20 MB fit into the default `close_timeout` of 5 s");
        assert!(paces.is_sorted_by(|a, b| a >= b), "{paces:?}");
        assert_eq!(paces[59], 1);
    }

    #[test]
    fn silence_saves_up_one_mebibyte() {
        let start = Instant::now();
        let mut input = DiscardedInput::new(u64::MAX);
        input.push(&[0; 10], start);
        assert_eq!(paces(&mut input, start + Duration::from_secs(3600), 2), [5, 4]);
    }
}
