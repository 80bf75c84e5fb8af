//! The buffers of a thread, lent to one connection at a time. They are why a connection that waits
//! owns none.

use std::cell::Cell;

/// Bytes that one read can bring.
const READ_BUFFER: usize = 64 << 10;

/// A buffer that has grown beyond this is freed after use.
const KEPT_CAPACITY: usize = 256 << 10;

thread_local! {
    static READ: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
    static WRITE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The thread's read buffer; it goes back when this is dropped. One that is asked for while it is
/// lent, by a handler that runs another connection inside a method, is made anew.
pub(crate) struct ReadBuffer(Option<Box<[u8]>>);

impl ReadBuffer {
    pub(crate) fn take() -> Self {
        Self(READ.take())
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        self.0.get_or_insert_with(|| vec![0; READ_BUFFER].into_boxed_slice())
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        if self.0.is_some() {
            READ.set(self.0.take());
        }
    }
}

/// The thread's write buffer.
pub(crate) fn write_buffer() -> Vec<u8> {
    WRITE.take()
}

/// Gives a write buffer back.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if buffer.capacity() <= KEPT_CAPACITY {
        buffer.clear();
        WRITE.set(buffer);
    }
}
