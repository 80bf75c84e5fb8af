//! Calls to the client without the feature `json`: there are none.

use std::sync::Arc;

use super::Session;
use crate::handler::Handler;
use crate::mailbox::Mailbox;

impl<H: Handler> Session<H> {
    #[expect(clippy::unused_self, reason = "with the feature, the calls are in the session")]
    pub(crate) fn has_unsent_calls(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "with the feature, the calls are in the session")]
    pub(crate) fn has_waiting_calls(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "with the feature, the calls are in the session")]
    pub(crate) fn send_calls(&mut self) {}

    #[expect(clippy::unused_self, reason = "with the feature, the calls are in the session")]
    pub(crate) fn close_calls(&self) {}
}

/// Returns whether a text was the answer to a call.
pub(crate) fn route_answer<H: Handler>(_: Option<&Arc<Mailbox<H::Info>>>, _: &str) -> bool {
    false
}

/// Returns whether the messages of a handler are in an envelope.
#[expect(clippy::extra_unused_type_parameters, reason = "like the function with feature `json`")]
pub(crate) const fn has_envelope<H: Handler>() -> bool {
    false
}
