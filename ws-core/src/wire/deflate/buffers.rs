//! The buffers of a thread, lent for one message at a time, so that a message allocates nothing.

use std::cell::Cell;

/// A buffer that has grown beyond this is freed after use.
const MAX_POOLED_CAPACITY: usize = 256 << 10;

thread_local! {
    static INFLATED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static DRAFT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One of the buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ThreadBuffer {
    /// What was inflated, while the handler looks at it.
    Inflated,
    /// What is to be deflated, while it is written.
    Draft,
}

impl ThreadBuffer {
    /// The buffer, empty. One that is asked for while it is lent, by a handler that runs another
    /// connection inside a method, is made anew.
    pub(crate) fn take(self) -> Vec<u8> {
        self.swap(Vec::new())
    }

    /// Gives it back; the larger one stays.
    pub(crate) fn put(self, mut buffer: Vec<u8>) {
        let other = self.take();
        if buffer.capacity() > MAX_POOLED_CAPACITY || buffer.capacity() < other.capacity() {
            buffer = other;
        }
        buffer.clear();
        self.swap(buffer);
    }

    fn swap(self, buffer: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Inflated => INFLATED.replace(buffer),
            Self::Draft => DRAFT.replace(buffer),
        }
    }
}

/// A message that was put together has been handled: its buffer is the thread's again.
#[cold]
pub(crate) fn recycle(buffer: Vec<u8>) {
    ThreadBuffer::Inflated.put(buffer);
}
