//! Signals of the server to a connection: its shutdown, and requests of the registry.

use super::poll_context::PollContext;
use super::state::MethodPhase;
use crate::clock::now;
use crate::close::CloseReason;
use crate::connections::{ConnectionReport, Requests};
use crate::context::Session;
use crate::handler::Handler;
use crate::transport::Transport;

impl<H: Handler, T: Transport> PollContext<'_, '_, H, T> {
    /// Notes activity of the client that brought no bytes, and handles the signals of the server.
    pub(super) fn check_signals_and_activity(&mut self, session: &mut Session<H>, is_in_method: bool) {
        session.wire.check_activity(now);
        if !session.has_no_signals() {
            self.handle_signals(session, is_in_method);
        }
    }

    /// Begins to drain if the server shuts down, and handles the requests of the registry.
    #[cold]
    pub(super) fn handle_signals(&mut self, session: &mut Session<H>, is_in_method: bool) {
        let requests = session.take_requests();
        #[cfg(feature = "inspect")]
        for tap in &requests.taps.0 {
            session.wire.tap(tap, now());
        }
        let Requests { close, reports, .. } = requests;
        if let Some(close) = close {
            session.wire.close_by_program(close, now());
        }
        if let Some(deadline) = session.shutdown_deadline() {
            session.wire.drain_by(CloseReason::Shutdown, deadline);
            // Clients of sessions expect the code of their protocol.
            if !T::IS_SESSION
                && let Some(close) = session.drain_close()
            {
                session.wire.set_shutdown_frame(close);
            }
        }
        if reports.is_empty() {
            return;
        }
        let report = ConnectionReport {
            received: self.io.received,
            sent: self.io.sent,
            buffered: session.wire.outbox().len(),
            is_in_method: is_in_method || self.state.method == MethodPhase::OnClose,
            is_closing: session.wire.close_reason().is_some(),
        };
        for sender in reports {
            // Who requested the report may have left.
            _ = sender.send(report);
        }
    }
}
