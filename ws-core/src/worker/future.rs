//! The futures that a worker polls: a handshake, then the connection that it becomes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use crate::close::CloseReason;

/// A connection, from open to the end of TCP.
pub(crate) type ConnectionFuture = Pin<Box<dyn Future<Output = CloseReason> + Send>>;

/// A handshake, from the first byte to the response.
pub(super) type HandshakeFuture = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// The output of a handshake, or of a slot: the next use of its socket.
pub(crate) enum Finished {
    /// Nothing: the slot is free.
    Closed,
    /// The connection that the handshake has opened. A future of its own, so that an open connection does
    /// not hold the memory of its handshake.
    Becomes(ConnectionFuture),
}

/// The future of one slot.
pub(super) enum SlotFuture {
    Handshake(HandshakeFuture),
    Connection(ConnectionFuture),
}

impl SlotFuture {
    pub(super) fn is_handshake(&self) -> bool {
        matches!(self, Self::Handshake(_))
    }

    // PERF: every event of a socket polls here. budget: text64
    #[inline(always)]
    pub(super) fn poll(&mut self, task: &mut TaskContext<'_>) -> Poll<Finished> {
        match self {
            Self::Connection(connection) => connection.as_mut().poll(task).map(|_reason| Finished::Closed),
            Self::Handshake(handshake) => handshake.as_mut().poll(task),
        }
    }
}
