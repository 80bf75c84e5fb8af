//! From compressed payloads to messages.

mod parts;

use std::fmt;

use zlib_rs::{Inflate, InflateError, InflateFlush, Status};

use super::{TAIL, codec_pool};
use crate::close::ProtocolError;

/// The largest number of bytes that one step inflates before they are inspected.
const STEP: usize = 64 << 10;

/// The largest distance of a reference, in bytes.
const WINDOW: usize = 32 << 10;

/// A message may have this many final blocks, and one more for each [`BYTES_PER_FINAL_BLOCK`].
///
/// A final block takes two bytes and may cost a copy of the window. Encoders that use final blocks send one
/// per message.
const MAX_FINAL_BLOCKS: usize = 64;
const BYTES_PER_FINAL_BLOCK: usize = 1 << 10;

/// The decoder of a connection, and the state of the message in progress.
pub(crate) struct Inflater {
    takeover: bool,
    /// Whether each frame is a stream of its own, instead of each message.
    per_frame: bool,
    codec: Option<Box<Inflate>>,
    state: StreamState,
    /// The number of compressed bytes of the message so far.
    compressed_len: usize,
    /// The number of final blocks of the message so far.
    final_blocks: usize,
    /// The offset of the stream in the message, or in the part of the message.
    start: usize,
    /// The end of the stream's output that was delivered in earlier parts, at most [`WINDOW`] bytes.
    earlier: Vec<u8>,
    /// The number of bytes of the message that were delivered in earlier parts.
    delivered: usize,
}

/// The position in the compressed stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StreamState {
    /// No compressed message is in progress, or the next frame starts a stream of its own.
    None,
    /// At the start of the stream, or after a final block.
    Start,
    /// Inside the stream.
    InStream,
}

impl Inflater {
    pub(crate) fn new(takeover: bool, per_frame: bool) -> Self {
        Self {
            takeover,
            per_frame,
            codec: None,
            state: StreamState::None,
            compressed_len: 0,
            final_blocks: 0,
            start: 0,
            earlier: Vec::new(),
            delivered: 0,
        }
    }

    pub(crate) fn is_per_frame(&self) -> bool {
        self.per_frame
    }

    /// Returns the codec to the thread, because no later message is inflated.
    pub(crate) fn release_codec(&mut self) {
        self.codec = None;
        self.earlier = Vec::new();
    }

    /// Starts a compressed stream at the offset `start` of the message.
    pub(crate) fn start_stream(&mut self, start: usize) {
        self.state = StreamState::Start;
        self.start = start;
        self.earlier.clear();
    }

    /// Starts a message, of which some frames may be compressed.
    pub(crate) fn start_message(&mut self) {
        self.compressed_len = 0;
        self.final_blocks = 0;
        self.delivered = 0;
    }

    /// Returns whether the message in progress, or its current frame, is compressed.
    pub(crate) fn is_active(&self) -> bool {
        self.state != StreamState::None
    }

    /// Returns the largest compressed size of the next frame, for messages of at most `max` bytes.
    ///
    /// The limit ends streams that produce no output. The worst encoder stays below the limit.
    pub(crate) fn next_frame_limit(&self, max: usize) -> usize {
        if self.is_active() { self.remaining_compressed(max) } else { max_compressed_len(max) }
    }

    /// Returns how many more compressed bytes the message in progress may have.
    pub(crate) fn remaining_compressed(&self, max: usize) -> usize {
        max_compressed_len(max).saturating_sub(self.compressed_len)
    }

    /// Inflates the next input and appends the output to `out`, which may grow to `max` bytes.
    ///
    /// `inspect` is called for each piece of output.
    pub(crate) fn feed(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        max: usize,
        mut inspect: impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        if input.is_empty() {
            return Ok(());
        }
        self.compressed_len = self.compressed_len.saturating_add(input.len());
        loop {
            let start = out.len();
            let Step { room, read, written, status } = self.step(input, out, max);
            input = input.get(read..).unwrap_or_default();
            // An error within the limit takes precedence over the limit, however the input was split.
            inspect(&out[start..out.len().min(max).max(start)])?;
            if out.len() > max {
                return Err(ProtocolError::MessageTooBig);
            }
            match status {
                Ok(Status::StreamEnd) => {
                    self.on_final_block(out)?;
                    if input.is_empty() {
                        return Ok(());
                    }
                }
                Ok(_) if input.is_empty() && written < room => return Ok(()),
                Ok(_) if read == 0 && written == 0 => return Err(ProtocolError::BadCompression),
                Ok(_) => {}
                Err(_) => return Err(ProtocolError::BadCompression),
            }
        }
    }

    /// Inflates into `out`, which may grow to `max` bytes, as far as one step goes.
    fn step(&mut self, input: &[u8], out: &mut Vec<u8>, max: usize) -> Step {
        let codec = self.codec.get_or_insert_with(codec_pool::take_inflate);
        let start = out.len();
        let room = make_room(out, input.len(), max);
        let (read, written) = (codec.total_in(), codec.total_out());
        let status = codec.decompress(input, &mut out[start..], InflateFlush::SyncFlush);
        let (read, written) =
            (counter_delta(read, codec.total_in()), counter_delta(written, codec.total_out()));
        out.truncate(start + written);
        self.state = StreamState::InStream;
        Step { room, read, written, status }
    }

    /// Continues after a final block, which does not end the message. The next block follows at the next byte,
    /// and may refer to this message (RFC 7692 §7.2.3.4).
    fn on_final_block(&mut self, out: &[u8]) -> Result<(), ProtocolError> {
        self.final_blocks += 1;
        let len = self.delivered.saturating_add(out.len());
        if self.final_blocks > MAX_FINAL_BLOCKS + len / BYTES_PER_FINAL_BLOCK {
            return Err(ProtocolError::MessageTooBig);
        }
        let Some(codec) = &mut self.codec else { return Ok(()) };
        codec.reset(false);
        let recent = &out[out.len().saturating_sub(WINDOW).max(self.start)..];
        let set = if self.earlier.is_empty() || recent.len() == WINDOW {
            codec.set_dictionary(recent)
        } else {
            let all = [&self.earlier[..], recent].concat();
            codec.set_dictionary(&all[all.len().saturating_sub(WINDOW)..])
        };
        self.state = StreamState::Start;
        set.map(|_| ()).map_err(|_| ProtocolError::BadCompression)
    }

    /// Ends the stream of a message or frame: adds the tail that is not sent, which must end a block.
    pub(crate) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        max: usize,
        inspect: impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        // Some clients send an empty payload for an empty message, or no tail after a final block.
        if self.state == StreamState::InStream {
            self.feed(&TAIL, out, max, inspect)?;
            self.check_block_end()?;
        }
        self.state = StreamState::None;
        self.earlier = Vec::new();
        if !self.takeover
            && let Some(codec) = self.codec.take()
        {
            codec_pool::put_inflate(codec);
        }
        Ok(())
    }

    /// Checks that the stream is between two blocks, as the end of a message requires.
    ///
    /// The codec does not expose its position. Between two blocks, and only there, the codec consumes exactly
    /// an empty block and stops after it. At any other position the same bits produce output, or end a block
    /// earlier or not at all.
    fn check_block_end(&mut self) -> Result<(), ProtocolError> {
        let Some(codec) = &mut self.codec else { return Ok(()) };
        if self.state != StreamState::InStream {
            // The empty block of the tail was a final block.
            return Ok(());
        }
        let (read, written) = (codec.total_in(), codec.total_out());
        let block_and_more = [0x00, 0x00, 0x00, 0xff, 0xff, 0x00];
        let status = codec.decompress(&block_and_more, &mut [0; 16], InflateFlush::Block);
        let (read, written) =
            (counter_delta(read, codec.total_in()), counter_delta(written, codec.total_out()));
        if status == Ok(Status::Ok) && (read, written) == (5, 0) {
            Ok(())
        } else {
            Err(ProtocolError::BadCompression)
        }
    }
}

/// The result of one step of the codec.
struct Step {
    /// The number of bytes that the step could have written.
    room: usize,
    read: usize,
    written: usize,
    status: Result<Status, InflateError>,
}

/// Returns the largest compressed size of a message of at most `max` bytes.
fn max_compressed_len(max: usize) -> usize {
    max.saturating_add(max / 4).saturating_add(256)
}

/// Extends `out` with zeros for the output of one step, and returns the number of zeros.
///
/// The capacity doubles up to `max` plus one byte; that byte shows that the message is too big. A capacity
/// that would come close to this limit is raised to the limit at once, which saves the last copy.
fn make_room(out: &mut Vec<u8>, input: usize, max: usize) -> usize {
    let limit = max.saturating_add(1).saturating_sub(out.len()).max(1);
    let room = input.saturating_mul(4).clamp(256, STEP).min(limit);
    let needed = out.len() + room;
    if needed > out.capacity() {
        let doubled = needed.max(out.capacity().saturating_mul(2));
        let limit = out.len().saturating_add(limit);
        let target = if doubled.saturating_add(doubled / 8) < limit { doubled } else { limit };
        out.reserve_exact(target - out.len());
    }
    out.resize(needed, 0);
    room
}

/// Returns by how much a counter advanced.
fn counter_delta(before: u64, after: u64) -> usize {
    usize::try_from(after.wrapping_sub(before)).unwrap_or(usize::MAX)
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("takeover", &self.takeover)
            .field("holds_codec", &self.codec.is_some())
            .finish_non_exhaustive()
    }
}
