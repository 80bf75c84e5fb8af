//! The read and write buffers of a thread. They are lent to one connection at a time, so that an idle
//! connection owns no buffer.

use std::cell::Cell;

use crate::wire::Connection;

/// Bytes of the read buffer, and so of one read.
const READ_BUFFER: usize = 64 << 10;

/// Capacity in bytes above which a write buffer is freed after its use.
const MAX_RETAINED_CAPACITY: usize = 256 << 10;

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// The buffers of a thread: input is read into one, and frames are encoded in the other.
///
/// PERF: a single struct saves a lookup of a thread-local. budget: text64
pub(crate) struct Scratch {
    read: Box<[u8]>,
    write: Vec<u8>,
}

/// Runs `poll` with the thread's buffers.
///
/// A handler may drive another connection inside a method. That connection gets new buffers.
// PERF: called in every poll. budget: text64
#[inline(always)]
pub(crate) fn with_scratch<R>(poll: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = SCRATCH.take().unwrap_or_else(|| Box::new(Scratch::new()));
    let result = poll(&mut scratch);
    // PERF: `Cell::replace`, because `LocalKey::set` also handles an uninitialised key. budget: text64x16
    SCRATCH.with(|slot| drop(slot.replace(Some(scratch))));
    result
}

impl Scratch {
    #[cold]
    fn new() -> Self {
        Self { read: vec![0; READ_BUFFER].into_boxed_slice(), write: Vec::new() }
    }

    /// Returns the read buffer.
    // PERF: called for every read. budget: text64
    #[inline(always)]
    pub(crate) fn input(&mut self) -> &mut [u8] {
        &mut self.read
    }

    /// Runs code that has no connection yet with the read buffer and the empty write buffer.
    pub(crate) fn with_buffers<R>(&mut self, run: impl FnOnce(&mut [u8], &mut Vec<u8>) -> R) -> R {
        let result = run(&mut self.read, &mut self.write);
        self.write.clear();
        self.shrink();
        result
    }

    /// Lends the write buffer to a connection for the frames of a poll.
    // PERF: called in every poll. budget: text64
    #[inline(always)]
    pub(crate) fn lend_write_buffer(&mut self, wire: &mut Connection) {
        wire.outbox().lend(&mut self.write);
    }

    /// Takes the write buffer back: at once if everything in it is written, otherwise see `reclaim_slow`.
    // PERF: called at the end of every poll. budget: text64
    #[inline(always)]
    pub(crate) fn reclaim(&mut self, wire: &mut Connection) {
        if !wire.outbox().swap_back(&mut self.write) {
            self.reclaim_slow(wire);
        }
        self.shrink();
    }

    // PERF: called at the end of every poll. budget: text64
    #[inline(always)]
    fn shrink(&mut self) {
        if self.write.capacity() > MAX_RETAINED_CAPACITY {
            self.write = Vec::new();
        }
    }

    /// Takes the buffer of the outbox: all of it is written, or the bytes that wait were copied because they
    /// filled less than half. Otherwise the outbox retains the buffer.
    #[cold]
    fn reclaim_slow(&mut self, wire: &mut Connection) {
        if let Some(mut buffer) = wire.outbox().reclaim() {
            buffer.clear();
            self.write = buffer;
        }
    }
}
