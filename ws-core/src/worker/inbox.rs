//! The commands to a worker: start a connection, or stop.

use std::fmt;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::future::SlotFuture;
use super::socket::Socket;
use super::wake_queue::WakeQueue;
#[cfg(feature = "metrics")]
use crate::metrics::LagProbe;
use crate::sync::lock;

pub(super) enum Command {
    /// Start a connection.
    Start(TcpStream, StartFuture),
    /// Run a function, which notes when the event loop has come to it.
    Probe(Box<dyn FnOnce() + Send>),
    /// End the thread when its last connection has ended.
    Stop,
}

/// The function that makes the future of a connection from its registered socket, on the worker's thread.
pub(super) type StartFuture = Box<dyn FnOnce(Socket) -> SlotFuture + Send>;

/// The queue of commands to one worker, and the number of its connections.
pub(super) struct Inbox {
    commands: Mutex<Vec<Command>>,
    wake_queue: Arc<WakeQueue>,
    connections: AtomicUsize,
}

impl Inbox {
    pub(super) fn new(wake_queue: Arc<WakeQueue>) -> Self {
        Self { commands: Mutex::default(), wake_queue, connections: AtomicUsize::new(0) }
    }

    pub(super) fn push(&self, command: Command) {
        self.push_without_wake(command);
        self.wake_queue.notify();
    }

    /// Adds a command that the worker takes when it is woken next.
    pub(super) fn push_without_wake(&self, command: Command) {
        if matches!(command, Command::Start(..)) {
            self.connections.fetch_add(1, Ordering::Relaxed);
        }
        lock(&self.commands).push(command);
    }

    /// Wakes the worker if commands are waiting.
    pub(super) fn wake(&self) {
        if !lock(&self.commands).is_empty() {
            self.wake_queue.notify();
        }
    }

    /// Takes all commands.
    pub(super) fn take(&self) -> Vec<Command> {
        std::mem::take(&mut lock(&self.commands))
    }

    /// Returns how many connections the worker has, including those that it has still to start.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts one connection less.
    pub(super) fn connection_ended(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(feature = "metrics")]
impl LagProbe for Inbox {
    fn run_on_loop(&self, function: Box<dyn FnOnce() + Send>) {
        self.push(Command::Probe(function));
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("connections", &self.connections()).finish_non_exhaustive()
    }
}
