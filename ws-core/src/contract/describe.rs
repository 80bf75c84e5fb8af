//! The functions that generated code calls to describe a handler.

use std::marker::PhantomData;

use serde::Deserialize;

use super::envelope::ProtocolContract;
use crate::contract_model::{
    CallContract, CloseContract, ContentContract, Description, ErrorContract, FrameContract, HasSchema,
    JsonSchema, MessageContract, ParameterContract, StateContract, TransitionContract,
};
use crate::envelope::Call;
use crate::named::{Params, is_optional};

/// A method as generated code knows it.
#[derive(Clone, Copy, Debug)]
pub struct MethodText {
    name: &'static str,
    documentation: &'static str,
    states: &'static [&'static str],
}

impl MethodText {
    /// Creates the text of a method.
    pub const fn new(
        name: &'static str,
        documentation: &'static str,
        states: &'static [&'static str],
    ) -> Self {
        Self { name, documentation, states }
    }

    fn states(self) -> Vec<String> {
        self.states.iter().map(ToString::to_string).collect()
    }

    fn description(self) -> Option<String> {
        (!self.documentation.is_empty()).then(|| self.documentation.to_owned())
    }
}

/// Begins the description of a handler.
pub fn begin<P: ProtocolContract>(to: &mut Description, version: u32, documentation: &str) {
    to.contract.is_described = true;
    to.contract.version = version;
    to.contract.description = (!documentation.is_empty()).then(|| documentation.to_owned());
    P::describe_protocol(to);
}

/// Describes the states, those in which a connection begins, and the transitions: from, to, event and name. A transition
/// from an empty name is one from all states.
pub fn states(
    to: &mut Description,
    names: &[&str],
    initial: &[&str],
    transitions: &[(&str, &str, &str, &str)],
) {
    // As the types are written, without the spaces between their tokens.
    let names: Vec<String> = names.iter().map(|name| name.replace(' ', "")).collect();
    for &(from, to_state, event, name) in transitions {
        for of in names.iter().filter(|of| from.is_empty() || *of == from) {
            to.contract.transitions.push(TransitionContract {
                from: of.clone(),
                to: to_state.to_owned(),
                event: event.to_owned(),
                name: name.to_owned(),
            });
        }
    }
    let state = |name: String| StateContract { is_initial: initial.contains(&&*name), name };
    to.contract.states = names.into_iter().map(state).collect();
}

/// Describes a code with which the handler closes.
pub fn close(to: &mut Description, code: u16, reason: &str) {
    let codes = &mut to.contract.close_codes;
    codes.push(CloseContract { code, reason: reason.to_owned(), is_declared: true });
    codes.sort_by_key(|close| close.code);
}

/// The arguments of a named method.
#[derive(Debug)]
pub struct ArgumentList<'a> {
    to: &'a mut Description,
    parameters: Vec<ParameterContract>,
}

impl<'a> ArgumentList<'a> {
    /// Creates an empty list.
    pub fn new(to: &'a mut Description) -> Self {
        Self { to, parameters: Vec::new() }
    }

    /// Adds an argument.
    pub fn one<T: HasSchema + Deserialize<'static>>(mut self, name: &str) -> Self {
        self.parameters.push(ParameterContract {
            name: name.to_owned(),
            description: None,
            is_optional: is_optional::<T>(),
            schema: self.to.read::<T>(),
        });
        self
    }

    /// Returns the arguments as the content of a message.
    pub fn content(self) -> ContentContract {
        match self.parameters {
            parameters if parameters.is_empty() => ContentContract::Nothing,
            parameters => ContentContract::Parameters { parameters },
        }
    }
}

/// All parameters as one value: [`Params`].
pub trait AllParams {
    /// The type of the value.
    type Value: HasSchema;
}

impl<T: HasSchema> AllParams for Params<T> {
    type Value = T;
}

/// Returns the content of a method that takes all parameters as one value.
pub fn all_params<P: AllParams>(to: &mut Description) -> ContentContract {
    ContentContract::json(to.read::<P::Value>())
}

/// Describes a method that answers calls.
pub fn call(
    to: &mut Description,
    method: MethodText,
    content: ContentContract,
    result: JsonSchema,
    errors: Vec<ErrorContract>,
) {
    to.contract.client.calls.push(CallContract {
        name: method.name.to_owned(),
        description: method.description(),
        content,
        result,
        errors,
        states: method.states(),
    });
}

/// Describes a method for messages of a name.
pub fn message(to: &mut Description, method: MethodText, content: ContentContract) {
    add_client_message(to, method, FrameContract::Envelope, content);
}

/// Adds a message of the client. A message of an envelope has its name in each state that takes it.
pub(super) fn add_client_message(
    to: &mut Description,
    method: MethodText,
    frame: FrameContract,
    content: ContentContract,
) {
    let messages = &mut to.contract.client.messages;
    let name = match frame {
        FrameContract::Envelope => method.name.to_owned(),
        FrameContract::Text | FrameContract::Binary => unique_name(messages, method),
    };
    let (description, states) = (method.description(), method.states());
    messages.push(MessageContract { name, description, frame, content, states });
}

/// Adds a message of the server.
pub(super) fn add_server_message(
    to: &mut Description,
    method: MethodText,
    (frame, content): (FrameContract, ContentContract),
) {
    let messages = &mut to.contract.server.messages;
    let (name, description, states) = (unique_name(messages, method), method.description(), method.states());
    messages.push(MessageContract { name, description, frame, content, states });
}

/// Returns the name of a method for one of its messages. Further messages of the method have a number too.
fn unique_name(messages: &[MessageContract], method: MethodText) -> String {
    let (mut name, mut number) = (method.name.to_owned(), 1);
    while messages.iter().any(|message| message.name == name) {
        number += 1;
        name = format!("{}_{number}", method.name);
    }
    name
}

/// Describes a call to the client.
pub fn client_call<C: Call<Returns: HasSchema> + HasSchema>(to: &mut Description) {
    let schema = to.written::<C>();
    let description = to.documentation::<C>();
    let result = to.read::<C::Returns>();
    to.contract.server.calls.push(CallContract {
        name: C::NAME.to_owned(),
        description,
        content: ContentContract::json(schema),
        result,
        errors: Vec::new(),
        states: Vec::new(),
    });
}

/// A type in generated code, whose inherent methods win over those of a trait for all other types.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<T>(PhantomData<fn() -> T>);

        impl<T> $name<T> {
            /// Creates the type.
            #[expect(clippy::new_without_default, reason = "only generated code creates it")]
            pub const fn new() -> Self {
                Self(PhantomData)
            }
        }
    )*};
}

choices! {
    /// The return type of an `#[on_call]`.
    AnswerOf
    /// The errors of the return type of an `#[on_call]`.
    ErrorsOf
    /// The type of an argument of `#[on_upgrade]`.
    ExtractorOf
}
