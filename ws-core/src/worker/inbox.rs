//! What a thread is told by others, and how it is woken.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

use super::ConnectionFuture;
use super::poll::{self, PollerRegistry, Waker};
use super::socket::Socket;

pub(super) enum Command {
    /// One more connection.
    Run(TcpStream, Box<dyn FnOnce(Socket) -> ConnectionFuture + Send>),
    /// A connection has something to do.
    Poll(usize),
    /// No more connections will come.
    Stop,
}

/// What waits for one thread.
pub(super) struct Inbox {
    commands: Mutex<Vec<Command>>,
    /// Whether the thread has been woken for them.
    is_notified: AtomicBool,
    waker: Waker,
    /// Of the thread's sockets.
    registry: PollerRegistry,
    connections: AtomicUsize,
}

thread_local! {
    /// The inbox of this thread, by its address, if it is one of ours.
    static THIS_INBOX: Cell<usize> = const { Cell::new(0) };
    /// Its connections that have something to do, as they said themselves.
    static WOKEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// Whether there are any.
    static HAS_WOKEN: Cell<bool> = const { Cell::new(false) };
    /// What goes on where the one that is being polled ends.
    static SUCCESSOR: Cell<Option<ConnectionFuture>> = const { Cell::new(None) };
}

impl Inbox {
    pub(super) fn new(waker: Waker, registry: PollerRegistry) -> Self {
        Self {
            commands: Mutex::default(),
            is_notified: AtomicBool::new(false),
            waker,
            registry,
            connections: AtomicUsize::new(0),
        }
    }

    /// This thread is the one that the inbox is for.
    pub(super) fn bind_to_thread(self: &Arc<Self>) {
        THIS_INBOX.set(Arc::as_ptr(self).addr());
    }

    pub(super) fn push(&self, command: Command) {
        self.push_without_wake(command);
        self.notify();
    }

    /// The same without waking the thread.
    pub(super) fn push_without_wake(&self, command: Command) {
        if matches!(command, Command::Run(..)) {
            self.connections.fetch_add(1, Ordering::Relaxed);
        }
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(command);
    }

    /// Wakes the thread if something was left.
    pub(super) fn wake(&self) {
        if !self.commands.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.notify();
        }
    }

    fn notify(&self) {
        // One that is awake looks before it sleeps.
        if !self.is_notified.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake a worker");
        }
    }

    /// Whether there may be something.
    #[inline]
    pub(super) fn has_commands(&self) -> bool {
        self.is_notified.load(Ordering::Acquire)
    }

    /// Takes everything.
    pub(super) fn take_commands(&self) -> Vec<Command> {
        // What comes after this wakes the thread again.
        self.is_notified.store(false, Ordering::Release);
        std::mem::take(&mut self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many connections its thread has, or is about to have.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// One of them has ended.
    pub(super) fn connection_ended(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

/// Puts the connections of this thread that have stirred since the last time into `to`, which is empty.
#[inline]
pub(super) fn take_woken(to: &mut Vec<usize>) {
    if HAS_WOKEN.get() {
        HAS_WOKEN.set(false);
        WOKEN.with_borrow_mut(|woken| std::mem::swap(woken, to));
    }
}

/// Says what goes on with the socket of the connection that is being polled, when it has ended.
pub(super) fn set_successor(successor: Option<ConnectionFuture>) {
    SUCCESSOR.set(successor);
}

/// What goes on with the socket of the one that has ended.
pub(super) fn take_successor() -> Option<ConnectionFuture> {
    SUCCESSOR.take()
}

/// What is known of a connection outside of it: what its socket is ready for, and how to wake it.
#[derive(Debug)]
pub(super) struct ConnectionHandle {
    inbox: Arc<Inbox>,
    key: usize,
    /// Whether it is in a queue.
    is_queued: AtomicBool,
    ready: AtomicU8,
}

impl ConnectionHandle {
    pub(super) fn new(inbox: Arc<Inbox>, key: usize, ready: u8) -> Self {
        Self { inbox, key, is_queued: AtomicBool::new(false), ready: AtomicU8::new(ready) }
    }

    /// It is about to be polled for having been in a queue. Whoever finds it queued before this has done
    /// what it is to look at; so that it does see that, this is no mere store, which may come later
    /// than the loads behind it.
    pub(super) fn mark_dequeued(&self) {
        self.is_queued.swap(false, Ordering::AcqRel);
    }

    /// Its thread has nothing more to do with a socket.
    pub(super) fn release(&self, stream: poll::TcpStream) -> io::Result<TcpStream> {
        self.inbox.registry.release(stream)
    }

    // Only the connection's thread looks at what is ready; an atomic, because the socket is `Send`.

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
        if THIS_INBOX.get() == Arc::as_ptr(&self.inbox).addr() {
            WOKEN.with_borrow_mut(|woken| woken.push(self.key));
            HAS_WOKEN.set(true);
        } else {
            self.inbox.push(Command::Poll(self.key));
        }
    }
}
