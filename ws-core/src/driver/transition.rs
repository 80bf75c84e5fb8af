//! Transitions between the states of a handler.

use std::any::type_name;

use crate::clock::now;
use crate::error::HandlerError;
use crate::event::{Event, EventOutcome};
use crate::handler::{Handler, HandlerInstance};
use crate::panic::catch;
use crate::reply::NextState;
use crate::work::TransitionStep;

impl<H: Handler> HandlerInstance<H> {
    /// Continues the transition that the method which has completed began, or is a part of. Returns the call of
    /// an async method.
    // PERF: a handler without states has no code here. budget: text64
    #[inline(always)]
    pub(super) fn continue_transition(&mut self) -> Option<H::Call> {
        if H::STATES.is_empty() { None } else { self.run_transition() }
    }

    /// Performs the steps of transitions until none is left, or an async method has to run. The rest of a batch
    /// follows, and may begin the next transition.
    #[inline(never)]
    fn run_transition(&mut self) -> Option<H::Call> {
        loop {
            let Some(step) = self.next_step() else {
                let rest = self.cx.session().take_batch()?;
                let outcome = catch(|| rest(&mut self.handler, &mut self.cx));
                match self.apply_outcome(outcome) {
                    Some(call) => return Some(call),
                    None => continue,
                }
            };
            let event = match step {
                TransitionStep::Leave => Event::Leave,
                TransitionStep::EnterFirst => Event::Enter,
                TransitionStep::Enter(state) => {
                    self.change_state(state);
                    Event::Enter
                }
                TransitionStep::StartTimers => {
                    self.start_state_timers();
                    continue;
                }
                TransitionStep::Refuse(state) => match self.refuse(state) {
                    Some(call) => return Some(call),
                    None => continue,
                },
                TransitionStep::TooMany => {
                    let limit = H::STATES.len();
                    let text =
                        format!("more than {limit} transitions in a row: `#[on_enter]` leads on without end");
                    // `#[on_error]` could go on as well.
                    self.cx.set_in_on_error(true);
                    self.apply_outcome(Ok(EventOutcome::failed(HandlerError::Reply(text.into()))));
                    self.cx.set_in_on_error(false);
                    return None;
                }
            };
            if !self.cx.session().wire.is_closing() {
                let call = self.invoke_caught(event);
                if call.is_some() {
                    return call;
                }
            }
        }
    }

    /// Returns the next step. A connection that is closing stays in its state.
    fn next_step(&mut self) -> Option<TransitionStep> {
        let session = &mut *self.cx.session();
        if session.wire.is_closing() {
            return None;
        }
        let transition = session.work.as_mut()?.transition.as_mut()?;
        transition.next(H::STATES.len(), |state| H::is_state(&*state.value))
    }

    /// Reports a `Goto` to a type that is not a state. Returns the call of `#[on_error]`.
    #[cold]
    fn refuse(&mut self, state: NextState) -> Option<H::Call> {
        let text = format!("`{}` is not a state of `{}`", state.name, type_name::<H>());
        let error = HandlerError::Reply(text.into());
        // The drop of the value is the user's code.
        let outcome = catch(|| drop(state)).map(|()| EventOutcome::failed(error));
        self.apply_outcome(outcome)
    }

    /// Changes the value, and ends the timers of the old state. The old value is dropped, which is the user's
    /// code.
    fn change_state(&mut self, state: NextState) {
        let old = self.handler.state_index();
        let changed = catch(|| self.handler.set_state(state.value));
        self.cx.session().timers.cancel_methods(|index| {
            H::STATE_TIMERS.iter().any(|timer| timer.state == old && timer.timer.id == index)
        });
        if let Err(panic) = changed {
            self.on_panic(panic);
        }
    }

    fn start_state_timers(&mut self) {
        let state = self.handler.state_index();
        let mut session = self.cx.session();
        let now = now();
        for timer in H::STATE_TIMERS.iter().filter(|timer| timer.state == state).map(|timer| timer.timer) {
            if let Some(at) = now.checked_add(timer.delay) {
                session.timers.method(timer.id, at, timer.repeat.then_some(timer.delay));
            }
        }
    }
}
