//! The buffers of a thread, lent to one connection at a time. They are why a connection that waits
//! owns none.

use std::cell::Cell;

use crate::wire::Connection;

/// Bytes that one read can bring.
const READ_BUFFER: usize = 64 << 10;

/// A buffer that has grown beyond this is freed after use.
const MAX_RETAINED_CAPACITY: usize = 256 << 10;

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Where a turn reads to, and where its frames are encoded. In one place, so that a turn looks for
/// it once.
pub(crate) struct Scratch {
    read: Box<[u8]>,
    write: Vec<u8>,
}

/// Runs a turn with what the thread has. What is asked for while it is lent, by a handler that runs
/// another connection inside a method, is made anew.
#[inline(always)]
pub(crate) fn with_scratch<R>(run: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = SCRATCH.take().unwrap_or_else(|| Box::new(new_scratch()));
    let result = run(&mut scratch);
    // Not `set`, which is made for values that are not there yet.
    SCRATCH.with(|slot| drop(slot.replace(Some(scratch))));
    result
}

#[cold]
fn new_scratch() -> Scratch {
    Scratch { read: vec![0; READ_BUFFER].into_boxed_slice(), write: Vec::new() }
}

impl Scratch {
    /// Where to read to.
    #[inline(always)]
    pub(super) fn input(&mut self) -> &mut [u8] {
        &mut self.read
    }

    /// Runs what has no connection yet, with where to read to and where to write, which is empty.
    pub(crate) fn with_buffers<R>(&mut self, run: impl FnOnce(&mut [u8], &mut Vec<u8>) -> R) -> R {
        let result = run(&mut self.read, &mut self.write);
        self.write.clear();
        self.shrink();
        result
    }

    /// Lends a connection the buffer for the frames of a turn.
    #[inline(always)]
    pub(super) fn lend_write_buffer(&mut self, wire: &mut Connection) {
        wire.outbox().lend(&mut self.write);
    }

    /// Takes it back, if nothing waits there.
    #[inline(always)]
    pub(super) fn reclaim(&mut self, wire: &mut Connection) {
        if !wire.outbox().swap_back(&mut self.write) {
            self.reclaim_foreign(wire);
        }
        self.shrink();
    }

    #[inline(always)]
    fn shrink(&mut self) {
        if self.write.capacity() > MAX_RETAINED_CAPACITY {
            self.write = Vec::new();
        }
    }

    #[cold]
    fn reclaim_foreign(&mut self, wire: &mut Connection) {
        if let Some(mut buffer) = wire.outbox().reclaim() {
            buffer.clear();
            self.write = buffer;
        }
    }
}
