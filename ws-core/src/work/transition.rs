//! The order of a transition between two states of a handler, without the handler.

use std::any::Any;

use crate::reply::NextState;

/// The transition of a handler with states: what was requested, and how far it is.
///
/// The driver calls [`next`](Self::next) whenever a method has completed, performs the step, and calls again when
/// the method of the step has completed.
#[derive(Debug)]
pub(crate) struct Transition {
    /// The state of the last `Goto`. A `Goto` during a transition follows that transition.
    requested: Option<NextState>,
    phase: TransitionPhase,
    /// The number of transitions that followed each other without another event.
    count: usize,
    /// The rest of a batch of messages, which waits for the state: a `BatchContinuation` of the handler.
    rest: Option<Box<dyn Any + Send>>,
}

#[derive(Debug)]
enum TransitionPhase {
    /// The first state has not been entered, because `#[on_open]` runs.
    Opening,
    /// The handler is in a state.
    Idle,
    /// `#[on_leave]` runs. The state follows.
    Leaving(NextState),
    /// `#[on_enter]` runs.
    Entering,
}

/// The next step of a transition.
#[derive(Debug)]
pub(crate) enum TransitionStep {
    /// Run `#[on_leave]` of the current state.
    Leave,
    /// Change the value, end the timers of the old state, and run `#[on_enter]`.
    Enter(NextState),
    /// Run `#[on_enter]` of the first state.
    EnterFirst,
    /// Start the timers of the current state.
    StartTimers,
    /// Report a value whose type is not that of a state.
    Refuse(NextState),
    /// Close the connection: the `#[on_enter]` methods would go on without end.
    TooMany,
}

impl Transition {
    pub(super) fn new() -> Self {
        Self { requested: None, phase: TransitionPhase::Opening, count: 0, rest: None }
    }

    /// Requests a state. The last request counts.
    pub(super) fn request(&mut self, state: NextState) {
        self.requested = Some(state);
    }

    /// Returns whether a state is requested.
    #[cfg_attr(not(feature = "json"), allow(dead_code))]
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.is_some()
    }

    /// Stores the rest of a batch until the transition has ended.
    #[cfg_attr(not(feature = "json"), allow(dead_code))]
    pub(crate) fn store_rest(&mut self, rest: Box<dyn Any + Send>) {
        self.rest = Some(rest);
    }

    /// Takes the rest of a batch.
    pub(crate) fn take_rest(&mut self) -> Option<Box<dyn Any + Send>> {
        self.rest.take()
    }

    /// Returns the next step after a method has completed. At most `limit` transitions follow each other.
    pub(crate) fn next(
        &mut self,
        limit: usize,
        is_state: impl FnOnce(&NextState) -> bool,
    ) -> Option<TransitionStep> {
        match std::mem::replace(&mut self.phase, TransitionPhase::Entering) {
            TransitionPhase::Opening => Some(TransitionStep::EnterFirst),
            TransitionPhase::Leaving(state) => Some(TransitionStep::Enter(state)),
            TransitionPhase::Entering => {
                self.phase = TransitionPhase::Idle;
                Some(TransitionStep::StartTimers)
            }
            TransitionPhase::Idle => {
                self.phase = TransitionPhase::Idle;
                let Some(state) = self.requested.take() else {
                    self.count = 0;
                    return None;
                };
                self.count += 1;
                if self.count > limit {
                    return Some(TransitionStep::TooMany);
                }
                if !is_state(&state) {
                    return Some(TransitionStep::Refuse(state));
                }
                self.phase = TransitionPhase::Leaving(state);
                Some(TransitionStep::Leave)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(name: &'static str) -> NextState {
        NextState { name, value: Box::new(()) }
    }

    /// Takes all steps, as if every method completed at once.
    fn steps(transition: &mut Transition, limit: usize) -> Vec<String> {
        let steps = std::iter::from_fn(|| transition.next(limit, |_| true)).map(|step| match step {
            TransitionStep::Enter(state) => format!("enter {}", state.name),
            other => format!("{other:?}"),
        });
        steps.collect()
    }

    #[test]
    fn enters_the_first_state_before_a_requested_one() {
        let mut transition = Transition::new();
        transition.request(state("b"));
        assert_eq!(
            steps(&mut transition, 2),
            ["EnterFirst", "StartTimers", "Leave", "enter b", "StartTimers"]
        );
        assert!(steps(&mut transition, 2).is_empty());
    }

    #[test]
    fn last_request_counts() {
        let mut transition = Transition::new();
        steps(&mut transition, 2);
        transition.request(state("a"));
        transition.request(state("b"));
        assert_eq!(steps(&mut transition, 2), ["Leave", "enter b", "StartTimers"]);
    }

    #[test]
    fn request_during_a_transition_follows_it() {
        let mut transition = Transition::new();
        steps(&mut transition, 2);
        transition.request(state("a"));
        assert!(matches!(transition.next(2, |_| true), Some(TransitionStep::Leave)));
        transition.request(state("b"));
        assert_eq!(steps(&mut transition, 2), ["enter a", "StartTimers", "Leave", "enter b", "StartTimers"]);
    }

    #[test]
    fn refused_states_count_as_transitions() {
        let mut transition = Transition::new();
        steps(&mut transition, 1);
        transition.request(state("a"));
        assert!(matches!(transition.next(1, |_| false), Some(TransitionStep::Refuse(_))));
        transition.request(state("a"));
        assert!(matches!(transition.next(1, |_| false), Some(TransitionStep::TooMany)));
        assert!(transition.next(1, |_| false).is_none());
    }

    #[test]
    fn transitions_without_end_are_too_many() {
        let mut transition = Transition::new();
        steps(&mut transition, 2);
        for _ in 0..2 {
            transition.request(state("a"));
            for _ in 0..3 {
                assert!(!matches!(transition.next(2, |_| true), None | Some(TransitionStep::TooMany)));
            }
        }
        transition.request(state("a"));
        assert_eq!(steps(&mut transition, 2), ["TooMany"]);
        // After an event that ended in a state, the count starts again.
        transition.request(state("a"));
        assert_eq!(steps(&mut transition, 2).len(), 3);
    }
}
