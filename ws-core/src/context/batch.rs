//! The rest of a batch of messages, which waits for a transition.

use super::{Context, Session};
use crate::event::EventOutcome;
use crate::handler::Handler;
#[cfg(feature = "json")]
use crate::work::Transition;

/// The rest of a batch of messages, which runs when the transition that one of its methods began has ended.
pub(crate) type BatchContinuation<H> =
    Box<dyn FnOnce(&mut H, &mut Context<H>) -> EventOutcome<<H as Handler>::Call> + Send>;

impl<H: Handler> Session<H> {
    /// Returns whether a method has requested another state, which follows unless the connection closes.
    #[cfg(feature = "json")]
    pub(crate) fn awaits_transition(&self) -> bool {
        let transition = self.work.as_ref().and_then(|work| work.transition.as_ref());
        transition.is_some_and(Transition::is_requested) && !self.wire.is_closing()
    }

    /// Stores the rest of a batch until the transition that a method has requested has ended.
    #[cfg(feature = "json")]
    pub(crate) fn after_transition(&mut self, rest: BatchContinuation<H>) {
        if let Some(transition) = self.work.as_mut().and_then(|work| work.transition.as_mut()) {
            transition.store_rest(Box::new(rest));
        }
    }

    /// Takes the rest of a batch whose transition has ended.
    pub(crate) fn take_batch(&mut self) -> Option<BatchContinuation<H>> {
        let rest = self.work.as_mut()?.transition.as_mut()?.take_rest()?;
        rest.downcast::<BatchContinuation<H>>().ok().map(|rest| *rest)
    }
}
