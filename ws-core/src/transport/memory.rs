//! A stream in memory, from a test client to the handler that a router runs.

use std::any::{Any, type_name};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::address::Addr;
use crate::close::CloseReason;
use crate::handler::Handler;
use crate::sync::lock;

/// The server's end of a stream in memory.
pub(crate) struct MemoryStream {
    pub(super) io: DuplexStream,
    started: oneshot::Sender<StartedInMemory>,
}

/// A connection that has started over a stream in memory.
pub(crate) struct StartedInMemory {
    /// The address, an `Addr<H>`.
    pub(crate) addr: Box<dyn Any + Send>,
    pub(crate) handler: &'static str,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) task: JoinHandle<CloseReason>,
}

impl MemoryStream {
    /// Returns the stream, and the receiver of the connection that starts over it.
    pub(crate) fn new(io: DuplexStream) -> (Self, oneshot::Receiver<StartedInMemory>) {
        let (started, receiver) = oneshot::channel();
        (Self { io, started }, receiver)
    }

    /// Starts the connection in the task that `spawn` returns, and passes it to the test.
    pub(crate) fn start<H: Handler>(
        self,
        addr: Addr<H>,
        ping_interval: Option<Duration>,
        spawn: impl FnOnce(DuplexStream) -> JoinHandle<CloseReason>,
    ) {
        let task = spawn(self.io);
        let addr = Box::new(addr);
        let started = StartedInMemory { addr, handler: type_name::<H>(), ping_interval, task };
        // A test that was cancelled has dropped the receiver.
        _ = self.started.send(started);
    }
}

/// A request extension through which the endpoint that accepts a handshake receives the stream. The test
/// sends the stream after the response. Extensions must be `Clone`, hence the `Arc`.
#[derive(Clone)]
pub(crate) struct MemoryUpgradeSlot(Arc<Mutex<Option<oneshot::Receiver<MemoryStream>>>>);

impl MemoryUpgradeSlot {
    /// Returns the test's sender and the slot. The sender is closed if no endpoint takes the receiver.
    pub(crate) fn new() -> (oneshot::Sender<MemoryStream>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Arc::new(Mutex::new(Some(receiver)))))
    }

    pub(super) fn take(self) -> Option<oneshot::Receiver<MemoryStream>> {
        lock(&self.0).take()
    }
}
