//! The buffers of a thread, lent for one message at a time: what was inflated, while the handler
//! looks at it, and what is to be deflated. So that a message allocates nothing.

use std::cell::Cell;
use std::thread::LocalKey;

/// A buffer that has grown beyond this is freed after use.
const KEPT_CAPACITY: usize = 256 << 10;

/// One of the buffers.
#[derive(Clone, Copy)]
pub(crate) struct Scratch(&'static LocalKey<Cell<Vec<u8>>>);

thread_local! {
    static INFLATED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static DRAFT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Scratch {
    pub(crate) const INFLATED: Self = Self(&INFLATED);
    pub(crate) const DRAFT: Self = Self(&DRAFT);

    /// The buffer, empty. One that is asked for while it is lent, by a handler that runs another
    /// connection inside a method, is made anew.
    pub(crate) fn take(self) -> Vec<u8> {
        self.0.take()
    }

    /// Gives it back.
    pub(crate) fn give_back(self, mut buffer: Vec<u8>) {
        let other = self.0.take();
        if buffer.capacity() > KEPT_CAPACITY || buffer.capacity() < other.capacity() {
            buffer = other;
        }
        buffer.clear();
        self.0.set(buffer);
    }
}

/// A message that was put together has been handled: its buffer is the thread's again.
#[cold]
pub(crate) fn release(buffer: Vec<u8>) {
    Scratch::INFLATED.give_back(buffer);
}
