//! The storage of a connection's state, owned by the handler's context or shared with the driver.
//!
//! PERF: the accessors that run in every iteration are `#[inline(always)]`; budget: text64, info.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};

use super::info::ConnectionInfo;
use super::session::Session;
use crate::handler::Handler;
use crate::span::ConnectionSpan;
use crate::sync::lock;

/// The storage of a session, chosen by [`Handler::ASYNC`].
///
/// A handler without async methods owns its session. A handler with async methods shares the session
/// with the driver, which answers pings while a method is pending.
///
/// Each command then locks the session. The lock is never contended, because the driver and the method
/// run in the same task, one at a time.
///
/// Beside the session: whether `#[on_error]` is running, in a byte that is unused otherwise.
pub(crate) enum SessionCell<H: Handler> {
    Owned { state: Box<SessionState<Session<H>>>, in_on_error: bool },
    Shared { state: Arc<SessionState<Mutex<Session<H>>>>, in_on_error: bool },
}

/// A session and the data that never changes, in one allocation: the task stores a single pointer.
pub(crate) struct SessionState<S> {
    session: S,
    info: ConnectionInfo,
}

/// The driver's handle to a shared session. Empty for a handler without async methods.
pub(crate) struct SharedSession<H: Handler>(Option<Arc<SessionState<Mutex<Session<H>>>>>);

impl<H: Handler> SharedSession<H> {
    /// Returns the session if the handler has async methods.
    #[inline(always)]
    pub(crate) fn session(&self) -> Option<&Mutex<Session<H>>> {
        self.0.as_ref().map(|state| &state.session)
    }

    /// Returns the span of the connection; an empty one if the handler has no async methods.
    pub(crate) fn span(&self) -> &ConnectionSpan {
        self.0.as_ref().map_or(ConnectionSpan::NONE, |state| state.info.span())
    }
}

impl<H: Handler> SessionCell<H> {
    /// The size of a connection's state in bytes.
    #[cfg(test)]
    pub(super) const STATE_SIZE: usize = if H::ASYNC {
        size_of::<SessionState<Mutex<Session<H>>>>()
    } else {
        size_of::<SessionState<Session<H>>>()
    };

    pub(super) fn new(session: Session<H>, info: ConnectionInfo) -> Self {
        if H::ASYNC {
            let state = Arc::new(SessionState { session: Mutex::new(session), info });
            Self::Shared { state, in_on_error: false }
        } else {
            Self::Owned { state: Box::new(SessionState { session, info }), in_on_error: false }
        }
    }

    #[inline(always)]
    pub(crate) fn session(&mut self) -> SessionGuard<'_, H> {
        // `H::ASYNC` is a constant, so the compiler keeps only one of the branches.
        match self {
            Self::Owned { state, .. } if !H::ASYNC => SessionGuard::Owned(&mut state.session),
            Self::Shared { state, .. } if H::ASYNC => SessionGuard::Shared(lock(&state.session)),
            _ => unreachable!("`new` chooses the variant by `H::ASYNC`"),
        }
    }

    #[inline(always)]
    pub(super) fn info(&self) -> &ConnectionInfo {
        match self {
            Self::Owned { state, .. } => &state.info,
            Self::Shared { state, .. } => &state.info,
        }
    }

    #[inline]
    pub(super) fn is_in_on_error(&self) -> bool {
        let (Self::Owned { in_on_error, .. } | Self::Shared { in_on_error, .. }) = self;
        *in_on_error
    }

    pub(super) fn set_in_on_error(&mut self, is_running: bool) {
        let (Self::Owned { in_on_error, .. } | Self::Shared { in_on_error, .. }) = self;
        *in_on_error = is_running;
    }

    /// Returns the handle by which the driver reaches the session while a method borrows the context.
    pub(super) fn shared(&self) -> SharedSession<H> {
        SharedSession(match self {
            Self::Owned { .. } => None,
            Self::Shared { state, .. } => Some(Arc::clone(state)),
        })
    }
}

pub(crate) enum SessionGuard<'a, H: Handler> {
    Owned(&'a mut Session<H>),
    Shared(MutexGuard<'a, Session<H>>),
}

impl<H: Handler> Deref for SessionGuard<'_, H> {
    type Target = Session<H>;

    #[inline(always)]
    fn deref(&self) -> &Session<H> {
        match self {
            Self::Owned(session) => session,
            Self::Shared(session) => session,
        }
    }
}

impl<H: Handler> DerefMut for SessionGuard<'_, H> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Session<H> {
        match self {
            Self::Owned(session) => session,
            Self::Shared(session) => session,
        }
    }
}
