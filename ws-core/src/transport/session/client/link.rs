//! The link between a client's session and the code that connects again.

use std::io::ErrorKind;
use std::sync::Mutex;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;

use super::server_object::ClientGreeting;
use crate::sync::lock;
use crate::transport::session::{RESUME_PREFIX, Token};

/// A connection whose server has sent the object `session`.
pub(crate) struct SessionConnection<S> {
    pub(crate) stream: WebSocketStream<S>,
    pub(crate) greeting: ClientGreeting,
}

/// A connection that is lost, whose session may be resumed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LostConnection {
    pub(crate) token: Token,
    /// The number of the server's last message that the client has.
    pub(crate) received: u64,
    pub(crate) kind: ErrorKind,
}

impl LostConnection {
    /// Returns the subprotocol that resumes the session.
    pub(crate) fn resume_offer(&self) -> String {
        format!("{RESUME_PREFIX}{}.{}", self.token.to_text(), self.received)
    }
}

/// The link between a client's session, which the driver polls, and the code that connects again.
pub(crate) struct ClientLink<S> {
    state: Mutex<ClientLinkState<S>>,
    /// Notified when a connection is lost.
    on_lost: Notify,
}

struct ClientLinkState<S> {
    /// The waker of the session's task.
    waker: Option<Waker>,
    lost: Option<LostConnection>,
    outcome: Option<ReconnectOutcome<S>>,
    /// Not before this time does a server that stops want its client back.
    restart_at: Option<Instant>,
}

/// The outcome of reconnecting.
pub(super) enum ReconnectOutcome<S> {
    Resumed(Box<SessionConnection<S>>),
    /// The server has no such session any more.
    Reset,
    /// The client does not connect again.
    GaveUp,
}

impl<S> ClientLink<S> {
    pub(crate) fn new() -> Self {
        let state = ClientLinkState { waker: None, lost: None, outcome: None, restart_at: None };
        Self { state: Mutex::new(state), on_lost: Notify::new() }
    }

    /// Waits until a connection is lost.
    pub(crate) async fn lost(&self) -> LostConnection {
        loop {
            let notified = self.on_lost.notified();
            let lost = lock(&self.state).lost.take();
            match lost {
                Some(lost) => return lost,
                None => notified.await,
            }
        }
    }

    /// Continues the session over another connection, whose server has not stopped.
    pub(crate) fn resume(&self, connection: SessionConnection<S>) {
        lock(&self.state).restart_at = None;
        self.finish(ReconnectOutcome::Resumed(Box::new(connection)));
    }

    /// Ends the session, because the server has begun a new one.
    pub(crate) fn reset(&self) {
        self.finish(ReconnectOutcome::Reset);
    }

    /// Ends the session, because the client does not connect again.
    pub(crate) fn give_up(&self) {
        self.finish(ReconnectOutcome::GaveUp);
    }

    /// Returns how much of the time is left after which a server that has stopped wants its client back.
    pub(crate) fn restart(&self) -> Option<Duration> {
        let restart_at = lock(&self.state).restart_at?;
        Some(restart_at.saturating_duration_since(Instant::now()))
    }

    fn finish(&self, outcome: ReconnectOutcome<S>) {
        let (previous, waker) = {
            let mut state = lock(&self.state);
            (state.outcome.replace(outcome), state.waker.clone())
        };
        drop(previous);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Registers the waker of the session's task.
    pub(super) fn register(&self, waker: &Waker) {
        let previous = lock(&self.state).waker.replace(waker.clone());
        // Dropped without the lock, because a waker may drop a whole task.
        drop(previous);
    }

    /// Takes the outcome of reconnecting.
    pub(super) fn take_outcome(&self) -> Option<ReconnectOutcome<S>> {
        lock(&self.state).outcome.take()
    }

    /// Publishes that a connection is lost.
    pub(super) fn set_lost(&self, lost: LostConnection) {
        lock(&self.state).lost = Some(lost);
        self.on_lost.notify_one();
    }

    pub(super) fn set_restart(&self, after: Duration) {
        lock(&self.state).restart_at = Some(Instant::now() + after);
    }
}
