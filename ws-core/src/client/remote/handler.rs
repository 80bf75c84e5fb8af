//! The handler of a typed client's connection.

use std::convert::Infallible;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::answers::RemoteAnswers;
use super::state::RemoteState;
use crate::address::Addr;
use crate::context::Context;
use crate::event::{Event, EventOutcome};
use crate::handler::{Declared, DefaultUpgrade, Enveloped, Handler, NamedMessages};
use crate::named::{Answering, Caller, NamedMethods, dispatch_text, unknown_name};
use crate::options::{Declaration, Options};
use crate::reply::AnyReply;
use crate::work::Deferred;

/// The client's side of a connection to a handler `H`. Written by hand, because generated code is of other crates.
pub(super) struct RemoteHandler<H: Handler + Enveloped> {
    state: Arc<RemoteState<Addr<Self>>>,
    answers: RemoteAnswers,
}

impl<H: Handler + Enveloped> RemoteHandler<H> {
    pub(super) fn new(state: Arc<RemoteState<Addr<Self>>>, answers: RemoteAnswers) -> Self {
        Self { state, answers }
    }
}

impl<H: Handler + Enveloped> Declared for RemoteHandler<H> {
    type Protocol = NamedMessages<Self>;
    const DECLARATION: Declaration = Declaration {
        path: "",
        options: Options {
            subprotocols: H::CHECKED_DECLARATION.options.subprotocols,
            session: H::CHECKED_DECLARATION.options.session,
            ..Options::DEFAULT
        },
        limits_messages: false,
    };
}

impl<H: Handler + Enveloped> Enveloped for RemoteHandler<H> {
    type Envelope = H::Envelope;
    type Sends = AnyReply;
}

impl<H: Handler + Enveloped> Handler for RemoteHandler<H> {
    const CHECKED_DECLARATION: Declaration = Self::DECLARATION.checked();
    const NAMED: bool = true;
    type Info = Infallible;
    type Call = Infallible;
    type Upgrade = DefaultUpgrade;

    fn event(&mut self, event: Event<'_, Infallible>, cx: &mut Context<Self>) -> EventOutcome<Infallible> {
        match event {
            Event::Open => self.state.open(cx.addr()),
            Event::Text(text) => return dispatch_text(self, text, cx),
            Event::Close(_) => self.state.close(),
            _ => return EventOutcome::Unhandled,
        }
        EventOutcome::Done
    }
}

impl<H: Handler + Enveloped> NamedMethods for RemoteHandler<H> {
    type Envelope = H::Envelope;
    type EnvelopedSelf = Self;

    fn named(
        &mut self,
        name: &str,
        params: Option<&RawValue>,
        caller: Caller<H::Envelope>,
        cx: &mut Context<Self>,
    ) -> EventOutcome<Infallible> {
        if !caller.is_call() {
            self.state.receive(name, params);
            return EventOutcome::Done;
        }
        match self.answers.answer(name, params) {
            Some(answer) => {
                EventOutcome::from_result(Answering(Deferred::new(answer)).answer::<Self, _>(caller, cx))
            }
            None => unknown_name(name, caller, cx),
        }
    }
}
