//! The buffer of frames behind [`Downlink`](super::Downlink).

use std::cell::Cell;

use super::fifo::Fifo;
use super::header::{header_size, is_whole, payload_len};
use crate::transport::session::control::MARK;
use crate::wire::{FIN, MAX_HEADER, Opcode, write_header};

/// Bytes of text that are escaped at a time.
pub(super) const MAX_ESCAPED: usize = 1 << 10;

/// Capacity in bytes, and in entries, above which a buffer without frames is freed.
const MAX_SPARE_BYTES: usize = 16 << 10;
const MAX_SPARE_ENTRIES: usize = 1 << 10;

thread_local! {
    /// A buffer without frames, for the next session of the thread that needs one.
    // PERF: a buffer is needed for every few messages, because it is returned when they are acknowledged.
    // budget: session64
    static SPARE: Cell<Option<Box<ReplayBuffer>>> = const { Cell::new(None) };
}

/// The frames that are not acknowledged, divided into entries.
#[derive(Debug)]
pub(super) struct ReplayBuffer {
    pub(super) bytes: Fifo<u8>,
    entries: Fifo<BufferEntry>,
    /// The bytes at the end of `bytes` that belong to no entry yet, because their message is not complete.
    open_len: usize,
    /// How many bytes and entries at the end are not written to the stream.
    pub(super) unwritten: usize,
    pub(super) unwritten_entries: usize,
    /// How many bytes are written of the first entry that is not written completely.
    pub(super) written_in_entry: usize,
    /// The messages that were written completely since they were last counted.
    pub(super) newly_sent: u64,
    scan: Scan,
}

/// The length of an entry, doubled, and one more for a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct BufferEntry(usize);

impl BufferEntry {
    fn new(len: usize, is_message: bool) -> Self {
        Self(len << 1 | usize::from(is_message))
    }

    fn len(self) -> usize {
        self.0 >> 1
    }

    pub(super) fn is_message(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The position within the frames that go into the buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// The first bytes of a frame whose header, or whose first byte of text, has not arrived.
    header: [u8; MAX_HEADER],
    header_len: u8,
    /// The first byte of the current frame.
    first: u8,
    message: PushedMessage,
    /// The bytes of the current frame's payload that have not arrived.
    remaining: usize,
}

impl Scan {
    /// Returns whether no message and no frame is incomplete.
    fn is_between_frames(&self) -> bool {
        self.header_len == 0 && self.message == PushedMessage::None && self.remaining == 0
    }
}

/// The message whose last frame is not complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PushedMessage {
    #[default]
    None,
    /// Text without any byte so far. Its empty fragments are left out.
    EmptyText,
    Started,
    /// Text that begins with U+0000, and is sent as a control object.
    Escaped,
}

impl ReplayBuffer {
    /// Returns a buffer without frames.
    #[expect(clippy::unnecessary_box_returns, reason = "the box itself is reused")]
    pub(super) fn take_spare() -> Box<Self> {
        SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| {
            Box::new(Self {
                bytes: Fifo::with_capacity(1 << 10),
                entries: Fifo::with_capacity(16),
                open_len: 0,
                unwritten: 0,
                unwritten_entries: 0,
                written_in_entry: 0,
                newly_sent: 0,
                scan: Scan::default(),
            })
        })
    }

    /// Returns a buffer that [is idle](Self::is_idle) to the thread.
    pub(super) fn return_spare(mut self: Box<Self>) {
        self.rewind();
        if self.bytes.capacity() <= MAX_SPARE_BYTES && self.entries.capacity() <= MAX_SPARE_ENTRIES {
            // The thread-local may already be destroyed while the thread exits.
            let _ = SPARE.try_with(|spare| drop(spare.replace(Some(self))));
        }
    }

    /// Takes a whole message in one short frame, if that is all of `input`, and counts it as written. Returns whether
    /// it was. Everything before has to be [written](Self::is_written).
    // PERF: most writes are one short reply. General path: `push`. The test
    // `every_message_arrives_once_and_in_order` holds the two equal. budget: session64
    #[inline(always)]
    pub(super) fn push_short(&mut self, input: &[u8], limit: usize) -> bool {
        debug_assert!(self.is_written());
        let [first @ (0x81 | 0x82), len @ ..=125, payload @ ..] = input else { return false };
        let is_marked = *first == 0x81 && payload.first() == Some(&MARK);
        if payload.len() != usize::from(*len) || is_marked || self.bytes.len() + input.len() > limit {
            return false;
        }
        self.entries.push(BufferEntry::new(input.len(), true));
        self.bytes.extend(input);
        true
    }

    /// Counts the last entry as not written.
    pub(super) fn unwrite_last(&mut self) {
        self.unwritten = self.entries.as_slice().last().map_or(0, |entry| entry.len());
        self.unwritten_entries = self.entries.len().min(1);
    }

    pub(super) fn push(&mut self, input: &[u8], limit: usize) -> usize {
        let mut at = 0;
        while at < input.len() {
            let room = self.room(limit);
            if room == 0 {
                break;
            }
            at += if self.scan.remaining > 0 {
                self.push_payload(&input[at..], room)
            } else {
                self.push_header(&input[at..])
            };
        }
        at
    }

    /// Returns how many bytes may be added. A message that has begun may exceed the limit, as far as it is written: what
    /// acknowledges those before it may wait for its end.
    pub(super) fn room(&self, limit: usize) -> usize {
        let has_begun = self.entries.is_empty() || self.open_len > 0;
        limit.saturating_sub(if has_begun { self.unwritten } else { self.bytes.len() })
    }

    /// Returns whether bytes of a message wait for the rest of it.
    #[cfg(feature = "client")]
    pub(super) fn has_open_message(&self) -> bool {
        self.open_len > 0
    }

    /// Takes the bytes of a header, and returns their number. Headers may exceed the limit.
    fn push_header(&mut self, input: &[u8]) -> usize {
        let mut len = usize::from(self.scan.header_len);
        if len == 0 {
            let size = header_size(input);
            if size > 0
                && let Some((header, payload)) = input.split_at_checked(size)
                && self.begin_frame(header, payload)
            {
                return size;
            }
        }
        let (mut header, mut taken) = (self.scan.header, 0);
        let mut is_complete = is_whole(&header[..len]);
        while !is_complete && let Some(&byte) = input.get(taken) {
            header[len] = byte;
            (len, taken) = (len + 1, taken + 1);
            is_complete = is_whole(&header[..len]);
        }
        if !is_complete || !self.begin_frame(&header[..len], &input[taken..]) {
            self.scan.header = header;
            self.scan.header_len = u8::try_from(len).unwrap_or_default();
        }
        taken
    }

    /// Begins a frame. Returns false if its text has to arrive first: the first byte decides how it is sent.
    fn begin_frame(&mut self, header: &[u8], payload: &[u8]) -> bool {
        let (first, len) = (header[0], payload_len(header));
        let opcode = first & 0x0f;
        let is_control = opcode >= Opcode::Close as u8;
        let starts_text = opcode == Opcode::Text as u8
            || (opcode == Opcode::Continuation as u8 && self.scan.message == PushedMessage::EmptyText);
        if starts_text && len > 0 && payload.is_empty() {
            return false;
        }
        self.scan.header_len = 0;
        self.scan.first = first;
        self.scan.remaining = len;
        if starts_text && len == 0 && first & FIN == 0 {
            self.scan.message = PushedMessage::EmptyText;
            return true;
        }
        let is_marked = starts_text && payload.first() == Some(&MARK) && len > 0;
        if is_marked {
            self.scan.message = PushedMessage::Escaped;
            self.append_frame(Opcode::Text as u8, b"\0{\"text\":\"");
        } else if is_control || self.scan.message != PushedMessage::Escaped {
            let at = self.bytes.len();
            self.append(header);
            if starts_text {
                // The first frame of a text may have followed empty fragments.
                self.bytes.as_mut_slice()[at] = first & FIN | Opcode::Text as u8;
            }
            if !is_control {
                self.scan.message = PushedMessage::Started;
            }
        }
        if len == 0 {
            self.end_frame();
        }
        true
    }

    /// Takes bytes of a payload, and returns their number.
    fn push_payload(&mut self, input: &[u8], room: usize) -> usize {
        let is_escaped = self.scan.message == PushedMessage::Escaped && self.scan.first & 0x08 == 0;
        let max = if is_escaped { MAX_ESCAPED } else { room };
        let len = input.len().min(self.scan.remaining).min(max);
        if is_escaped {
            self.append_frame(Opcode::Continuation as u8, &escape(&input[..len]));
        } else {
            self.append(&input[..len]);
        }
        self.scan.remaining -= len;
        if self.scan.remaining == 0 {
            self.end_frame();
        }
        len
    }

    fn end_frame(&mut self) {
        let is_control = self.scan.first & 0x08 != 0;
        if is_control {
            if self.scan.message == PushedMessage::None || self.scan.message == PushedMessage::EmptyText {
                self.end_entry(false);
            }
        } else if self.scan.first & FIN != 0 {
            if self.scan.message == PushedMessage::Escaped {
                self.append_frame(FIN | Opcode::Continuation as u8, b"\"}");
            }
            self.scan.message = PushedMessage::None;
            self.end_entry(true);
        }
    }

    fn end_entry(&mut self, is_message: bool) {
        self.entries.push(BufferEntry::new(self.open_len, is_message));
        self.unwritten_entries += 1;
        self.open_len = 0;
        self.finish_written_entries();
    }

    /// Appends a frame. `first` is its first byte.
    #[cold]
    fn append_frame(&mut self, first: u8, payload: &[u8]) {
        let mut header = [0; MAX_HEADER];
        let size = write_header(&mut header, Opcode::Continuation, payload.len());
        header[0] = first;
        self.append(&header[..size]);
        self.append(payload);
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.open_len += bytes.len();
        self.unwritten += bytes.len();
    }

    pub(super) fn unsent(&self, may_end_message: bool) -> &[u8] {
        let slice = &self.bytes.as_slice()[self.bytes.len() - self.unwritten..];
        match self.first_unwritten() {
            Some(entry) if !may_end_message => &slice[..slice.len().min(entry.len() - self.written_in_entry)],
            _ => slice,
        }
    }

    fn written_entries(&self) -> &[BufferEntry] {
        let entries = self.entries.as_slice();
        &entries[..entries.len() - self.unwritten_entries]
    }

    fn first_unwritten(&self) -> Option<BufferEntry> {
        let entries = self.entries.as_slice();
        entries.get(entries.len() - self.unwritten_entries).copied()
    }

    /// Counts the entries that are written.
    pub(super) fn finish_written_entries(&mut self) {
        while let Some(entry) = self.first_unwritten()
            && entry.len() <= self.written_in_entry
        {
            self.written_in_entry -= entry.len();
            self.unwritten_entries -= 1;
            self.newly_sent += u64::from(entry.is_message());
        }
    }

    /// Removes the first entry if it is written.
    pub(super) fn remove_first(&mut self) -> Option<BufferEntry> {
        let entry = *self.written_entries().first()?;
        self.remove(1, entry.len());
        Some(entry)
    }

    /// Removes up to `count` messages that are written, and the control frames around them. Returns the number of
    /// messages.
    pub(super) fn remove_messages(&mut self, count: u64) -> u64 {
        let (mut removed, mut entries, mut len) = (0, 0, 0);
        for entry in self.written_entries() {
            if entry.is_message() && removed == count {
                break;
            }
            removed += u64::from(entry.is_message());
            entries += 1;
            len += entry.len();
        }
        self.remove(entries, len);
        removed
    }

    /// Removes all entries, which have to be [written](Self::is_written).
    pub(super) fn remove_all(&mut self) {
        debug_assert!(self.is_written());
        self.remove(self.entries.len(), self.bytes.len());
    }

    /// Removes entries at the front, which have `len` bytes.
    fn remove(&mut self, entries: usize, len: usize) {
        self.entries.remove_front(entries);
        self.bytes.remove_front(len);
    }

    /// Begins at the front again.
    pub(super) fn rewind(&mut self) {
        (self.unwritten, self.unwritten_entries) = (self.bytes.len(), self.entries.len());
        self.written_in_entry = 0;
    }

    /// Counts the first entry as written, although it may not be.
    pub(super) fn skip_first(&mut self) {
        let first = self.entries.as_slice().first().map_or(0, |entry| entry.len());
        self.unwritten_entries = self.unwritten_entries.min(self.entries.len().saturating_sub(1));
        self.unwritten = self.unwritten.min(self.bytes.len() - first);
    }

    /// Returns whether the first entry is a control frame, and not the engine's close frame.
    pub(super) fn begins_with_ping_or_pong(&self) -> bool {
        self.entries.as_slice().first().is_some_and(|entry| !entry.is_message())
            && self.bytes.as_slice().first().is_some_and(|first| first & 0x0f != Opcode::Close as u8)
    }

    /// Returns whether the buffer is not needed: no bytes wait, and no frame is incomplete.
    pub(super) fn is_idle(&self) -> bool {
        self.bytes.is_empty() && self.scan.is_between_frames()
    }

    /// Returns whether all bytes are written, and are whole messages and frames.
    pub(super) fn is_written(&self) -> bool {
        self.unwritten == 0 && self.open_len == 0 && self.scan.is_between_frames()
    }
}

/// Escapes a part of a text for a JSON string (RFC 8259 §7). Parts may end within a character.
fn escape(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len() + 16);
    for &byte in text {
        match byte {
            b'"' | b'\\' => escaped.extend([b'\\', byte]),
            0..0x20 => escaped.extend(format!("\\u{byte:04x}").bytes()),
            _ => escaped.push(byte),
        }
    }
    escaped
}
