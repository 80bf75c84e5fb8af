//! From compressed payloads to messages.

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{TAIL, codec_pool};
use crate::close::ProtocolError;

/// The most that one step inflates to, before it is looked at.
const STEP: usize = 64 << 10;

/// How far back a message can refer.
const WINDOW: usize = 32 << 10;

/// How many final blocks a message may have, and for how many bytes of it there may be one more.
/// Each may cost a copy of the window, and takes two bytes to say; whoever sends them sends one a
/// message.
const MAX_FINAL_BLOCKS: usize = 64;
const BYTES_PER_FINAL_BLOCK: usize = 1 << 10;

/// The client's direction of a connection that compresses.
pub(crate) struct Inflater {
    takeover: bool,
    /// Whether each frame is a stream of its own, and not each message.
    per_frame: bool,
    codec: Option<Box<Inflate>>,
    state: StreamState,
    /// How many compressed bytes the message has so far.
    compressed_len: usize,
    /// How many final blocks it has so far.
    final_blocks: usize,
    /// Where in the message it began.
    start: usize,
    /// Whether nobody wants to know any more what the messages say.
    discarding: bool,
}

/// Where in a message it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StreamState {
    /// In none that is compressed, or between its frames.
    None,
    /// At its beginning, or behind a final block in it.
    Start,
    /// In its stream.
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
            discarding: false,
        }
    }

    pub(crate) fn is_per_frame(&self) -> bool {
        self.per_frame
    }

    /// What comes now is dropped: it is not worth the work, which is more than the bytes show.
    pub(crate) fn discard(&mut self) {
        self.discarding = true;
        self.codec = None;
    }

    /// A compressed message begins, or a compressed frame of one that has so many bytes.
    pub(crate) fn start_stream(&mut self, start: usize) {
        self.state = StreamState::Start;
        self.start = start;
    }

    /// A message begins, of which something may be compressed.
    pub(crate) fn start_message(&mut self) {
        self.compressed_len = 0;
        self.final_blocks = 0;
    }

    /// Whether the message that is arriving is compressed, or the frame.
    pub(crate) fn is_active(&self) -> bool {
        self.state != StreamState::None
    }

    /// How many compressed bytes may still come for a message that is to have at most `max`: a
    /// stream that says nothing ends too, and the worst encoder adds less than this.
    pub(crate) fn room(&self, max: usize) -> usize {
        if self.is_active() { self.remaining_compressed(max) } else { max_compressed_len(max) }
    }

    /// The same of the message that is arriving, if its next frame is compressed by itself.
    pub(crate) fn remaining_compressed(&self, max: usize) -> usize {
        max_compressed_len(max).saturating_sub(self.compressed_len)
    }

    /// Inflates the next bytes of the message behind those before, `max` of them at most. Each
    /// piece that comes out is shown to `inspect`.
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
        if self.discarding {
            return Ok(());
        }
        let codec = self.codec.get_or_insert_with(codec_pool::take_inflate);
        loop {
            let start = out.len();
            let room = make_room(out, input.len(), max);
            let (read, written) = (codec.total_in(), codec.total_out());
            let status = codec.decompress(input, &mut out[start..], InflateFlush::SyncFlush);
            let (read, written) =
                (counter_delta(read, codec.total_in()), counter_delta(written, codec.total_out()));
            out.truncate(start + written);
            input = input.get(read..).unwrap_or_default();
            self.state = StreamState::InStream;
            // What is wrong within the limit comes before what is over it, however the bytes came.
            inspect(&out[start..out.len().min(max).max(start)])?;
            if out.len() > max {
                return Err(ProtocolError::MessageTooBig);
            }
            match status {
                // §7.2.3.4: a block that says it is the last one ends nothing; padded to a byte, the
                // next one follows. What comes after may refer to this message.
                Ok(Status::StreamEnd) => {
                    self.final_blocks += 1;
                    if self.final_blocks > MAX_FINAL_BLOCKS + out.len() / BYTES_PER_FINAL_BLOCK {
                        return Err(ProtocolError::MessageTooBig);
                    }
                    codec.reset(false);
                    let dictionary = &out[out.len().saturating_sub(WINDOW).max(self.start)..];
                    codec.set_dictionary(dictionary).map_err(|_| ProtocolError::BadCompression)?;
                    self.state = StreamState::Start;
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

    /// Ends the message, or the frame: what its sender took off comes back, and must end a block.
    pub(crate) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        max: usize,
        inspect: impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        // Some senders compress nothing to nothing, and some take the tail off behind a final block.
        if self.state == StreamState::InStream {
            self.feed(&TAIL, out, max, inspect)?;
            self.check_block_end()?;
        }
        self.state = StreamState::None;
        if !self.takeover
            && let Some(codec) = self.codec.take()
        {
            codec_pool::put_inflate(codec);
        }
        Ok(())
    }

    /// Whether the stream is between two blocks, where it has to be at the end of a message. The
    /// codec does not say; but only there it takes an empty block whole, and stops behind it.
    /// Anywhere else these bits are something to write, or end a block earlier, or nowhere.
    fn check_block_end(&mut self) -> Result<(), ProtocolError> {
        let Some(codec) = &mut self.codec else { return Ok(()) };
        if self.state != StreamState::InStream {
            // The empty block that the tail belongs to said that it is the last.
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

/// How many compressed bytes make a message of at most `max` bytes.
fn max_compressed_len(max: usize) -> usize {
    max.saturating_add(max / 4).saturating_add(256)
}

/// Makes room behind what is there, and fills it with zeros; says how much. The buffer doubles, up
/// to one byte more than the message may have, which tells that it is too big. One that would come
/// near that has it at once, so that it is not copied again for the rest.
fn make_room(out: &mut Vec<u8>, input: usize, max: usize) -> usize {
    let most = max.saturating_add(1).saturating_sub(out.len()).max(1);
    let room = input.saturating_mul(4).clamp(256, STEP).min(most);
    let needed = out.len() + room;
    if needed > out.capacity() {
        let (doubled, limit) = (needed.max(out.capacity().saturating_mul(2)), out.len().saturating_add(most));
        let target = if doubled.saturating_add(doubled / 8) < limit { doubled } else { limit };
        out.reserve_exact(target - out.len());
    }
    out.resize(needed, 0);
    room
}

/// By how much a counter has gone on.
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
