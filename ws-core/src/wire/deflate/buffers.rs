//! Buffers of the thread, each lent for one message at a time, so that a message allocates nothing.

use std::cell::Cell;

/// The capacity above which a buffer is freed after use.
const MAX_POOLED_CAPACITY: usize = 256 << 10;

thread_local! {
    static INFLATED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static DRAFT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer of the thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ThreadBuffer {
    /// An inflated message, while the handler processes it.
    Inflated,
    /// A message that is serialized before it is compressed.
    Draft,
}

impl ThreadBuffer {
    /// Takes the buffer, which is empty.
    ///
    /// While the buffer is lent, a second caller receives a new one. This happens if a handler runs another
    /// connection inside a method.
    pub(crate) fn take(self) -> Vec<u8> {
        self.swap(Vec::new())
    }

    /// Puts a buffer back. The thread retains the larger one.
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

/// Returns a handled message's buffer to the thread.
#[cold]
pub(crate) fn recycle(buffer: Vec<u8>) {
    ThreadBuffer::Inflated.put(buffer);
}
