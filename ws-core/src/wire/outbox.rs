//! Frames on their way to the client.

use bytes::Bytes;

use super::deflate::Deflater;
use super::frame::{COMPRESSED, MAX_HEADER, Opcode, short_header, write_header};

/// The bytes that wait for the socket, in order.
///
/// It owns memory only while bytes wait: a turn starts with a buffer that the thread lends
/// ([`lend`](Self::lend)) and gives it back when everything went out ([`reclaim`](Self::reclaim)).
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// How many of `bytes` the socket has taken.
    sent: usize,
    limit: usize,
    /// How many bytes may wait now: more than `limit` behind a message that is larger.
    ceiling: usize,
}

impl Outbox {
    /// An outbox in which `limit` bytes may wait.
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), sent: 0, limit, ceiling: limit }
    }

    /// How many bytes wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What waits.
    #[inline]
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The socket took that many bytes.
    #[inline(always)]
    pub(crate) fn sent(&mut self, len: usize) {
        self.sent += len;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Drops what waits.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
    }

    /// Appends a frame; false if it would exceed the limit, and nothing is appended.
    #[must_use]
    #[inline(always)]
    pub(crate) fn push(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        let waiting = self.len();
        let fits = fits(waiting, payload.len(), self.ceiling);
        if fits {
            self.push_last(opcode, payload);
            self.pushed(waiting);
        }
        fits
    }

    /// Appends a frame that many connections send; false if it would exceed the limit.
    #[must_use]
    pub(crate) fn push_shared(&mut self, frame: &Bytes) -> bool {
        let waiting = self.len();
        let fits = fits(waiting, frame.len(), self.ceiling);
        if fits {
            self.make_room(frame.len());
            self.bytes.extend_from_slice(frame);
            self.pushed(waiting);
        }
        fits
    }

    /// Appends a frame whatever the limit says: the close frame, which is the last.
    #[inline(always)]
    pub(crate) fn push_last(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.sent > 0 {
            self.make_room(MAX_HEADER + payload.len());
        }
        // Most messages are short, and their header is then two bytes.
        if let Some(header) = short_header(opcode, payload.len()) {
            self.bytes.reserve(header.len() + payload.len());
            self.bytes.extend_from_slice(&header);
        } else {
            let mut header = [0; MAX_HEADER];
            let size = write_header(&mut header, opcode, payload.len());
            self.bytes.reserve(size + payload.len());
            self.bytes.extend_from_slice(&header[..size]);
        }
        self.bytes.extend_from_slice(payload);
    }

    /// Appends a frame whose payload is written by `write`, so that it needs no buffer of its own.
    /// If that fails or panics, or the frame would exceed the limit, nothing is appended.
    pub(crate) fn push_with<E>(
        &mut self,
        opcode: Opcode,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.push_marked(opcode, 0, write)
    }

    /// Appends a message, compressed if that makes it smaller or if the ones that follow refer to
    /// it; false if it would exceed the limit.
    #[must_use]
    pub(crate) fn push_compressed(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        deflater: &mut Deflater,
    ) -> bool {
        let compress = |out: &mut Vec<u8>| if deflater.compress(payload, out) { Ok(()) } else { Err(AsItIs) };
        match self.push_marked(opcode, COMPRESSED, compress) {
            Ok(fits) => fits,
            Err(AsItIs) => self.push(opcode, payload),
        }
    }

    /// Appends a frame with reserved bits.
    fn push_marked<E>(
        &mut self,
        opcode: Opcode,
        bits: u8,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let waiting = self.len();
        if self.sent > waiting {
            // Nobody knows yet how much is needed; so this is done when it costs little.
            self.drop_sent();
        }
        let start = self.bytes.len();
        let mut draft = Draft { bytes: &mut self.bytes, keep: start };
        // Most payloads have a header of two bytes; a longer one is moved up afterwards.
        draft.bytes.extend_from_slice(&[0; 2]);
        write(draft.bytes)?;
        let len = draft.bytes.len() - start - 2;
        if !fits(waiting, len, self.ceiling) {
            return Ok(false);
        }
        let mut header = [0; MAX_HEADER];
        let size = write_header(&mut header, opcode, len);
        header[0] |= bits;
        draft.bytes.splice(start..start + 2, header[..size].iter().copied());
        draft.keep = draft.bytes.len();
        drop(draft);
        self.pushed(waiting);
        Ok(true)
    }

    /// A single message may be larger than the limit; it does not use up what others may have.
    #[inline(always)]
    fn pushed(&mut self, waiting: usize) {
        if waiting == 0 {
            let first = self.len();
            self.ceiling = if first > self.limit { first.saturating_add(self.limit) } else { self.limit };
        }
    }

    /// Takes a buffer to write to, if there is nothing here yet.
    #[inline]
    pub(crate) fn lend(&mut self, buffer: impl FnOnce() -> Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = buffer();
        }
    }

    /// Gives the buffer back if nothing waits. What does wait is kept in no more memory than it
    /// needs.
    #[inline(always)]
    pub(crate) fn reclaim(&mut self) -> Option<Vec<u8>> {
        if self.is_empty() {
            self.sent = 0;
            return (self.bytes.capacity() > 0).then(|| std::mem::take(&mut self.bytes));
        }
        if self.bytes.capacity() > 2 * self.len() {
            let kept = self.waiting().to_vec();
            self.sent = 0;
            return Some(std::mem::replace(&mut self.bytes, kept));
        }
        None
    }

    /// Before a long buffer grows, what the socket has taken makes room.
    fn make_room(&mut self, len: usize) {
        if self.sent > 0 && self.bytes.capacity() - self.bytes.len() < len {
            self.drop_sent();
        }
    }

    fn drop_sent(&mut self) {
        self.bytes.drain(..self.sent);
        self.sent = 0;
    }
}

/// A message that nothing waits before always fits.
fn fits(waiting: usize, len: usize, ceiling: usize) -> bool {
    waiting == 0 || waiting + len <= ceiling
}

/// A message that is not smaller when it is compressed.
struct AsItIs;

/// A frame that is being written; dropped early, it leaves no trace.
struct Draft<'a> {
    bytes: &'a mut Vec<u8>,
    keep: usize,
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(len: usize, header: &[u8]) {
        let payload = vec![b'x'; len];
        let expect = [header, &payload].concat();
        let mut outbox = Outbox::new(100);
        assert!(outbox.push(Opcode::Text, &payload));
        assert_eq!(outbox.waiting(), expect);
        outbox.clear();
        let written = outbox.push_with(Opcode::Text, |to| {
            to.extend_from_slice(&payload);
            Ok::<_, ()>(())
        });
        assert_eq!(written, Ok(true));
        assert_eq!(outbox.waiting(), expect);
    }

    #[test]
    fn headers_at_their_edges() {
        check(0, &[0x81, 0]);
        check(125, &[0x81, 125]);
        check(126, &[0x81, 126, 0, 126]);
        check(65535, &[0x81, 126, 0xff, 0xff]);
        check(65536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn failed_payload_leaves_no_trace() {
        let mut outbox = Outbox::new(100);
        assert!(outbox.push(Opcode::Text, b"before"));
        let before = outbox.waiting().to_vec();
        let failed = outbox.push_with(Opcode::Text, |to| {
            to.push(1);
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        assert_eq!(outbox.waiting(), before);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = outbox.push_with(Opcode::Text, |_| -> Result<(), ()> { panic!("in a serializer") });
        }));
        assert!(panicked.is_err());
        assert_eq!(outbox.waiting(), before);
        let long = outbox.push_with(Opcode::Text, |to| {
            to.resize(200, 0);
            Ok::<_, ()>(())
        });
        assert_eq!(long, Ok(false));
        assert_eq!(outbox.waiting(), before);
    }

    #[test]
    fn lent_buffer_comes_back_and_the_rest_is_kept_small() {
        let mut outbox = Outbox::new(100);
        outbox.lend(|| Vec::with_capacity(4096));
        assert!(outbox.push(Opcode::Binary, &[7; 100]));
        outbox.sent(60);
        let back = outbox.reclaim().expect("the large buffer comes back");
        assert_eq!(back.capacity(), 4096);
        assert_eq!(outbox.waiting(), [7; 42]);
        assert!(outbox.bytes.capacity() <= 42);
        outbox.sent(42);
        assert!(outbox.reclaim().is_some());
        assert_eq!(outbox.bytes.capacity(), 0);
        assert!(outbox.reclaim().is_none());
    }

    #[test]
    fn what_the_socket_has_taken_is_not_kept() {
        let mut outbox = Outbox::new(1000);
        for _ in 0..1000 {
            let written = outbox.push_with(Opcode::Text, |to| {
                to.extend_from_slice(&[b'x'; 100]);
                Ok::<_, ()>(())
            });
            assert_eq!(written, Ok(true));
            outbox.sent(outbox.len() - 1);
        }
        assert!(outbox.bytes.capacity() < 2000, "{}", outbox.bytes.capacity());
        assert_eq!(outbox.waiting(), b"x");
    }

    #[test]
    fn limit_is_on_what_waits_behind_the_first_message() {
        let mut outbox = Outbox::new(100);
        assert!(outbox.push(Opcode::Binary, &[0; 90]));
        assert!(!outbox.push(Opcode::Binary, &[0; 90]));
        outbox.clear();
        assert!(outbox.push(Opcode::Binary, &[0; 1000]));
        assert!(outbox.push(Opcode::Binary, &[0; 90]));
        assert!(!outbox.push(Opcode::Binary, &[0; 90]));
        outbox.sent(outbox.len());
        assert!(outbox.push(Opcode::Binary, &[0; 90]));
        assert!(!outbox.push(Opcode::Binary, &[0; 90]));
    }
}
