//! The wake-ups of a worker's connections, and of the worker itself.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use super::deadlines::{Deadlines, Tick, UNARMED};
use super::poll::{self, PollerRegistry, Waker};

use crate::sync::lock;

/// The connections of one worker that other threads have woken, and the handles of the worker's poller.
#[derive(Debug)]
pub(super) struct WakeQueue {
    woken: Mutex<Vec<usize>>,
    /// Whether the worker has been woken and has not taken its queues since.
    is_notified: AtomicBool,
    waker: Waker,
    registry: PollerRegistry,
    pub(super) deadlines: Deadlines,
}

thread_local! {
    /// The address of the queue whose worker runs on this thread; 0 on other threads.
    static THIS_QUEUE: Cell<usize> = const { Cell::new(0) };
    /// The connections of this thread that were woken on it.
    static WOKEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// Whether [`WOKEN`] has entries.
    static HAS_WOKEN: Cell<bool> = const { Cell::new(false) };
}

impl WakeQueue {
    pub(super) fn new(waker: Waker, registry: PollerRegistry) -> Self {
        let (woken, is_notified) = (Mutex::default(), AtomicBool::new(false));
        Self { woken, is_notified, waker, registry, deadlines: Deadlines::new() }
    }

    /// Makes the current thread the worker of this queue.
    pub(super) fn bind_to_thread(self: &Arc<Self>) {
        THIS_QUEUE.set(Arc::as_ptr(self).addr());
    }

    /// Wakes the worker, so that it takes its queues.
    pub(super) fn notify(&self) {
        // A worker that is awake checks the flag before it sleeps.
        if !self.is_notified.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake a worker");
        }
    }

    /// Returns whether the worker was notified since the last call. If so, the caller takes both queues.
    /// Entries that are added after the flag was reset notify again.
    #[inline]
    pub(super) fn take_notified(&self) -> bool {
        self.is_notified.load(Ordering::Relaxed) && self.is_notified.swap(false, Ordering::AcqRel)
    }

    /// Takes the keys of the connections that other threads have woken.
    pub(super) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut lock(&self.woken))
    }

    fn push(&self, key: usize) {
        lock(&self.woken).push(key);
        self.notify();
    }
}

/// Swaps the keys of the connections that were woken on this thread into `into`, which is empty.
#[inline]
pub(super) fn take_woken(into: &mut Vec<usize>) {
    if HAS_WOKEN.get() {
        HAS_WOKEN.set(false);
        WOKEN.with_borrow_mut(|woken| std::mem::swap(woken, into));
    }
}

/// The readiness of a connection's socket and of its timer, and the connection's waker.
#[derive(Debug)]
pub(super) struct ConnectionHandle {
    queue: Arc<WakeQueue>,
    /// The tick for which the timer is armed, or has fired.
    tick: AtomicU64,
    /// The key of the slot. Four bytes, because every connection has a handle, and a process has fewer sockets.
    key: u32,
    /// Whether the key is in [`WOKEN`] or in the wake queue.
    is_queued: AtomicBool,
    ready: AtomicU8,
}

impl ConnectionHandle {
    pub(super) fn new(queue: Arc<WakeQueue>, key: usize, ready: u8) -> Self {
        let (tick, key) = (AtomicU64::new(UNARMED), u32::try_from(key).unwrap_or(u32::MAX));
        Self { queue, tick, key, is_queued: AtomicBool::new(false), ready: AtomicU8::new(ready) }
    }

    pub(super) fn queue(&self) -> &WakeQueue {
        &self.queue
    }

    pub(super) fn key(&self) -> u32 {
        self.key
    }

    /// Marks the connection as not queued, right before the poll for which it was queued.
    ///
    /// A thread that found the connection still queued has written its data before that, and does not
    /// wake again. The poll must see that data, so this is a read-modify-write: loads of the poll could
    /// be reordered before a plain store.
    pub(super) fn mark_dequeued(&self) {
        self.is_queued.swap(false, Ordering::AcqRel);
    }

    /// Removes a socket from the worker's poller.
    pub(super) fn release(&self, stream: poll::TcpStream) -> io::Result<TcpStream> {
        self.queue.registry.release(stream)
    }

    // Only the worker's thread accesses the tick and the readiness. The fields are atomic because the socket is `Send`.

    pub(super) fn tick(&self) -> Tick {
        self.tick.load(Ordering::Relaxed)
    }

    /// Sets the tick, and returns the one before.
    pub(super) fn replace_tick(&self, tick: Tick) -> Tick {
        let previous = self.tick();
        self.tick.store(tick, Ordering::Relaxed);
        previous
    }

    #[inline]
    pub(super) fn is_ready(&self, bits: u8) -> bool {
        self.ready.load(Ordering::Relaxed) & bits != 0
    }

    #[inline]
    pub(super) fn set_ready(&self, bits: u8) {
        self.ready.store(self.ready.load(Ordering::Relaxed) | bits, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn unset_ready(&self, bits: u8) {
        self.ready.store(self.ready.load(Ordering::Relaxed) & !bits, Ordering::Relaxed);
    }
}

impl Wake for ConnectionHandle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_queued.swap(true, Ordering::AcqRel) {
            return;
        }
        if THIS_QUEUE.get() == Arc::as_ptr(&self.queue).addr() {
            WOKEN.with_borrow_mut(|woken| woken.push(self.key as usize));
            HAS_WOKEN.set(true);
        } else {
            self.queue.push(self.key as usize);
        }
    }
}
