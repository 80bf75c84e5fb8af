//! Buffers of large messages, which each thread reuses.
//!
//! To allocate and free a large buffer costs more than to process the message in it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

/// The room for bytes that follow a frame. A read that leaves some of it empty has emptied the socket, which a
/// read of the exact size would not tell.
pub(super) const ROOM_AFTER_FRAME: usize = 256;

/// The largest number of bytes in the pool of a thread.
///
/// The pool holds two messages of twice the default limit, or several smaller ones for connections that
/// receive messages at the same time.
const MAX_POOLED_BYTES: usize = 2 * ((2 << 20) + ROOM_AFTER_FRAME);

/// The largest number of buffers in the pool, which is searched linearly.
const MAX_POOLED_BUFFERS: usize = 8;

/// The smallest pooled buffer. The allocator is fast for smaller ones.
const MIN_POOLED_BUFFER: usize = 64 << 10;

/// The largest number of pooled bytes that incomplete messages of the whole process may occupy.
///
/// Beyond this limit, the buffer of a message grows with the bytes that arrive. Clients that announce large
/// messages and do not send them therefore occupy at most this much.
const MAX_LENT_BYTES: usize = 16 << 20;

static LENT_BYTES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static BUFFERS: RefCell<VecDeque<Vec<u8>>> = const { RefCell::new(VecDeque::new()) };
}

/// A number of bytes that counts against [`MAX_LENT_BYTES`] until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Loan(usize);

impl Drop for Loan {
    fn drop(&mut self) {
        if self.0 > 0 {
            LENT_BYTES.fetch_sub(self.0, Relaxed);
        }
    }
}

/// Takes a buffer for a message of `len` bytes, which need not have arrived.
///
/// The buffer has the content of an earlier message, and a capacity of at most twice `len`. Returns `None` if
/// the pool has no such buffer.
pub(super) fn take(len: usize) -> Option<(Vec<u8>, Loan)> {
    if len < MIN_POOLED_BUFFER {
        return None;
    }
    let fits = |buffer: &Vec<u8>| (len..=len.saturating_mul(2)).contains(&buffer.capacity());
    let buffer = BUFFERS.with_borrow_mut(|buffers| {
        // The buffer that was put last is the most likely to be in the processor's cache.
        let index = buffers.iter().rposition(fits)?;
        buffers.remove(index)
    })?;
    let loan = Loan(buffer.capacity());
    if LENT_BYTES.fetch_add(loan.0, Relaxed) + loan.0 > MAX_LENT_BYTES {
        put(buffer);
        return None;
    }
    Some((buffer, loan))
}

/// Puts a buffer into the pool, and drops the oldest buffers if the pool is over its limits.
pub(super) fn put(buffer: Vec<u8>) {
    if !(MIN_POOLED_BUFFER..=MAX_POOLED_BYTES / 2).contains(&buffer.capacity()) {
        return;
    }
    // The thread-local may already be destroyed while the thread exits.
    let _ = BUFFERS.try_with(|buffers| {
        let mut buffers = buffers.borrow_mut();
        buffers.push_back(buffer);
        while buffers.len() > MAX_POOLED_BUFFERS
            || buffers.iter().map(Vec::capacity).sum::<usize>() > MAX_POOLED_BYTES
        {
            buffers.pop_front();
        }
    });
}

/// Shares a message. The buffer returns to the pool of the thread that drops the last reference.
pub(super) fn into_shared(message: Vec<u8>) -> Bytes {
    struct PooledBytes(Vec<u8>);

    impl AsRef<[u8]> for PooledBytes {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for PooledBytes {
        fn drop(&mut self) {
            put(std::mem::take(&mut self.0));
        }
    }

    Bytes::from_owner(PooledBytes(message))
}

#[cfg(test)]
mod tests;
