//! The memory of large messages, which a thread keeps for the next: to get as much from the system and
//! to give it back costs more than to handle what it says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

/// What a thread keeps at the most: two messages that are twice as large as the default allows, or a
/// few that are smaller, for several connections have one on its way.
const MAX_POOLED_BYTES: usize = 4 << 20;

/// How many buffers that may be. They are looked through.
const MAX_POOLED_BUFFERS: usize = 8;

/// Memory for less than this is had quickly.
const MIN_POOLED_BUFFER: usize = 64 << 10;

/// How much of it messages may have, in the whole process, of which little has arrived. What is more
/// grows with what arrives, and so does everything else.
const MAX_LENT_BYTES: usize = 16 << 20;

static LENT_BYTES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static BUFFERS: RefCell<VecDeque<Vec<u8>>> = const { RefCell::new(VecDeque::new()) };
}

/// What counts as lent, until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Loan(usize);

impl Drop for Loan {
    fn drop(&mut self) {
        if self.0 > 0 {
            LENT_BYTES.fetch_sub(self.0, Relaxed);
        }
    }
}

/// A buffer for a message of `len` bytes, though they have not arrived, with whatever was in it before;
/// of at most twice the size. There may be none.
pub(super) fn take(len: usize) -> Option<(Vec<u8>, Loan)> {
    if len < MIN_POOLED_BUFFER {
        return None;
    }
    let fits = |buffer: &Vec<u8>| (len..=len.saturating_mul(2)).contains(&buffer.capacity());
    let buffer = BUFFERS.with_borrow_mut(|buffers| {
        // The last one is the one that is still in the processor's cache.
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

/// Keeps a buffer for the next message, and drops those that have waited longest if that is too much.
pub(super) fn put(buffer: Vec<u8>) {
    if !(MIN_POOLED_BUFFER..=MAX_POOLED_BYTES / 2).contains(&buffer.capacity()) {
        return;
    }
    // The thread may be at its end.
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

/// A message that several may refer to; the last of them gives its memory back.
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
