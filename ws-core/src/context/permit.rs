//! The permit of a connection, over which the server signals.

use std::time::Instant;

use super::Session;
use crate::close::Close;
use crate::connections::{ConnectionPermit, Requests};
use crate::handler::Handler;

impl<H: Handler> Session<H> {
    /// Returns whether the server does not shut down, and the registry has no request for any connection.
    // PERF: part of the check of every iteration. budget: text64
    #[inline(always)]
    pub(crate) fn has_no_signals(&self) -> bool {
        self.permit.as_ref().is_none_or(|permit| !permit.has_signals())
    }

    /// Returns the deadline of the server's shutdown, if a shutdown was requested.
    pub(crate) fn shutdown_deadline(&self) -> Option<Instant> {
        self.permit.as_ref().and_then(ConnectionPermit::shutdown_deadline)
    }

    /// Returns the close frame of the server's shutdown, unless the handler's own is used.
    pub(crate) fn drain_close(&self) -> Option<Close> {
        self.permit.as_ref().and_then(ConnectionPermit::drain_close)
    }

    /// Takes the requests of the registry.
    pub(crate) fn take_requests(&self) -> Requests {
        self.permit.as_ref().map_or_else(Requests::default, ConnectionPermit::take_requests)
    }
}
