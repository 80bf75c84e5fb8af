//! The states of a handler: the traits that `#[websocket]` implements for an `enum`, and their checks.

use std::any::Any;

use super::{IntoUpgrade, Timer, Upgrade};

/// The states of an `enum` handler, implemented by `#[websocket]` on the `enum`.
pub trait States: Sized + 'static {
    /// The types of the states, as they are written in the `enum`.
    const NAMES: &'static [&'static str];

    /// Returns the index of the current state in [`NAMES`](Self::NAMES).
    fn index(&self) -> usize;

    /// Returns whether a value has the type of a state.
    fn accepts(state: &dyn Any) -> bool;

    /// Changes the state. Returns false, and drops the value, if its type is not that of a state.
    fn change(&mut self, state: Box<dyn Any + Send>) -> bool;
}

/// An `enum` handler with `S` as one of its states: the bound of `TestClient::state`.
///
/// `#[websocket]` implements this trait for each variant of an `enum` that has methods of states; do not
/// implement it by hand.
///
/// ```
/// # use ws_core::prelude::*;
/// use ws_core::HasState;
///
/// # #[websocket] enum Chat { Guest(Guest), Member(Member) }
/// struct Guest;
/// struct Member { name: String }
///
/// /// Returns the name of the member, for a handler of any type that may be one.
/// fn name<H: HasState<Member>>(handler: &H) -> Option<&str> {
///     handler.state().map(|member| &*member.name)
/// }
/// # #[websocket] impl Chat {
/// #     #[on_text(ignore = Member)] fn login(_: &mut Guest, name: String) -> Goto<Member> { Goto(Member { name }) }
/// # }
/// assert_eq!(name(&Chat::Guest(Guest)), None);
/// assert_eq!(name(&Chat::Member(Member { name: "alice".into() })), Some("alice"));
/// ```
// The constants and functions of `States` are here again, so that a type that is not a state causes one error,
// which names it.
#[diagnostic::on_unimplemented(
    message = "`{S}` is not a state of `{Self}`",
    label = "not the type of a variant of `{Self}`",
    note = "the states of an `enum` handler are its variants, if each of them holds one type of its own: `enum Chat {{ Guest(Guest), Member(Member) }}`",
    note = "a method of all states takes `&mut self`"
)]
pub trait HasState<S>: States {
    /// The index of the state in [`States::NAMES`].
    #[doc(hidden)]
    const INDEX: usize;
    /// Like [`States::NAMES`].
    #[doc(hidden)]
    const ALL: &'static [&'static str] = <Self as States>::NAMES;

    /// Borrows the state, if it is the current one.
    fn state(&self) -> Option<&S>;

    /// Borrows the state mutably, if it is the current one.
    #[doc(hidden)]
    fn state_mut(&mut self) -> Option<&mut S>;

    /// Creates a handler in this state.
    #[doc(hidden)]
    fn from_state(state: S) -> Self;

    /// Like [`States::index`].
    #[doc(hidden)]
    #[inline]
    fn current(&self) -> usize {
        self.index()
    }

    /// Like [`States::accepts`].
    #[doc(hidden)]
    fn accepts_state(state: &dyn Any) -> bool {
        Self::accepts(state)
    }

    /// Like [`States::change`].
    #[doc(hidden)]
    fn change_state(&mut self, state: Box<dyn Any + Send>) -> bool {
        self.change(state)
    }
}

/// An `enum` handler with a method of a state. The impls for its states depend on this trait, each with the
/// index of its state.
///
/// So an `enum` without such methods may hold one type twice: the conditions are not met, and the impls do not
/// overlap. The lifetime keeps the compiler from checking the conditions early.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no methods of states",
    label = "all its methods take `&mut self`"
)]
pub trait UsesStates<'a, const INDEX: usize> {}

/// Creates a handler with the settings of an upgrade to one of its states.
///
/// # Errors
///
/// Returns no error: the upgrade is already made.
#[allow(clippy::result_large_err)] // The type of `IntoUpgrade::into_upgrade`.
pub fn upgrade_to_state<H: HasState<S>, S>(
    upgrade: Upgrade<S>,
) -> Result<Upgrade<H>, axum_core::response::Response>
where
    Upgrade<H>: IntoUpgrade<H>,
{
    let Upgrade { handler, subprotocol, headers, options, span, error } = upgrade;
    Ok(Upgrade { handler: H::from_state(handler), subprotocol, headers, options, span, error })
}

/// A timer that runs while the handler is in a state.
#[derive(Clone, Copy, Debug)]
pub struct StateTimer {
    /// The index of the state.
    pub(crate) state: usize,
    pub(crate) timer: Timer,
}

impl StateTimer {
    /// Creates the timer of a state.
    pub const fn new(state: usize, timer: Timer) -> Self {
        Self { state, timer }
    }
}

/// A text that a constant builds, for the message of its panic.
struct ConstText {
    bytes: [u8; 512],
    len: usize,
}

impl ConstText {
    const fn new() -> Self {
        Self { bytes: [0; 512], len: 0 }
    }

    /// Appends a text, as far as there is room for all of it.
    const fn push(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        if self.len + text.len() > self.bytes.len() {
            return self;
        }
        let mut at = 0;
        while at < text.len() {
            self.bytes[self.len + at] = text[at];
            at += 1;
        }
        self.len += text.len();
        self
    }

    const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "a text that is not UTF-8",
        }
    }
}

const fn contains(indices: &[usize], index: usize) -> bool {
    let mut at = 0;
    while at < indices.len() {
        if indices[at] == index {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns the first index that occurs twice.
const fn repeated(indices: &[usize]) -> Option<usize> {
    let mut at = 0;
    while at < indices.len() {
        if contains(indices.split_at(at).0, indices[at]) {
            return Some(indices[at]);
        }
        at += 1;
    }
    None
}

/// Checks that each state takes an event or ignores it, and does only one of both.
///
/// `event` is the attribute, for example `#[on_text]`. `taken` are the states with a method, `ignored` those
/// of `ignore`. `has_other` is true if a `&mut self` method takes the event in all other states.
///
/// # Panics
///
/// Panics if a state does none of both, or two. Generated code calls this in a constant, so the panic is a
/// compile error.
#[track_caller]
pub const fn check_event(names: &[&str], event: &str, taken: &[usize], ignored: &[usize], has_other: bool) {
    if let Some(state) = repeated(taken) {
        let text = ConstText::new().push("two methods of `").push(names[state]).push("` for one `");
        panic!("{}", text.push(event).push("`: handle both in one method").as_str());
    }
    let mut state = 0;
    while state < names.len() {
        let (has_method, is_ignored) = (contains(taken, state), contains(ignored, state));
        let text = ConstText::new().push("`").push(names[state]);
        if has_method && is_ignored {
            let text = text.push("` ignores an `").push(event).push("` that a method of it takes: ");
            panic!("{}", text.push("remove the `ignore` or the method").as_str());
        }
        if !has_method && !is_ignored && !has_other {
            let text = text.push("` leaves an `").push(event).push("` open that another state takes: ");
            let text = text.push("write a method of `").push(names[state]).push("`, or `");
            // `#[on_text]` becomes `#[on_text(ignore = Guest)]`.
            let (attribute, _) = event.as_bytes().split_at(event.len() - 1);
            let attribute = match std::str::from_utf8(attribute) {
                Ok(attribute) => attribute,
                Err(_) => event,
            };
            let text = text.push(attribute).push("(ignore = ").push(names[state]).push(")]`");
            panic!("{}", text.as_str());
        }
        state += 1;
    }
}

/// Checks that a handler can reach each of its states. `reached` are the states of its `Goto`s and the state
/// of its `#[on_upgrade]`.
///
/// # Panics
///
/// Panics if nothing leads to a state. Generated code calls this in a constant, so the panic is a compile
/// error.
#[track_caller]
pub const fn check_reached(names: &[&str], reached: &[usize]) {
    let mut state = 0;
    while state < names.len() {
        if !contains(reached, state) {
            let text = ConstText::new().push("nothing leads to the state `").push(names[state]);
            let text = text.push("`: return a `Goto<").push(names[state]);
            let text = text.push(">` from a method, with that type in its signature, or remove the state");
            panic!("{}", text.as_str());
        }
        state += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[websocket]
    enum Chat {
        Guest(Guest),
        Member(Member),
    }

    struct Guest;
    struct Member;

    #[websocket]
    impl Chat {
        #[on_text(ignore = Member)]
        fn login(_: &mut Guest, _: &str) -> Goto<Member> {
            Goto(Member)
        }
    }

    #[test]
    fn an_upgrade_to_a_state_keeps_its_settings() {
        let upgrade = crate::Upgrade::new(Guest).subprotocol("chat.v1").header("x-id", "7");
        let upgrade = upgrade_to_state::<Chat, _>(upgrade.header("upgrade", "no")).unwrap();
        assert!(matches!(upgrade.handler, Chat::Guest(_)));
        assert_eq!(upgrade.subprotocol.unwrap(), "chat.v1");
        assert_eq!(upgrade.headers["x-id"], "7");
        assert_eq!(upgrade.error.unwrap(), "the header `upgrade` belongs to the handshake");
    }
}
