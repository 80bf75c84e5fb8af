//! Values of types with all of serde's shapes, and a handler that returns them. Tests send arbitrary ones through clients
//! in Rust and in TypeScript.

mod enums;
mod members;

use proptest_derive::Arbitrary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_core::prelude::*;
use ws_core::{Call, ClientCallError, Messages};

pub use enums::Enums;
pub use members::{Collections, Integers, Named, Optional, Scalars, Tree};

/// A value with members of all kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Values {
    pub integers: Integers,
    pub scalars: Scalars,
    pub optional: Optional,
    pub named: Named,
    pub enums: Enums,
    pub collections: Collections,
    pub tree: Tree,
}

impl Values {
    /// Returns the value with integers that JavaScript has: up to 2^53.
    pub fn for_javascript(self) -> Self {
        Self { integers: self.integers.for_javascript(), ..self }
    }
}

/// What the server sends by itself.
#[derive(Clone, Debug, PartialEq, Messages, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::large_enum_variant, reason = "both kinds of variants are tested, boxed and with members")]
pub enum Event {
    Said(Box<Values>),
    Parts { enums: Enums, named: Named },
    Nothing,
}

/// The call of the server that its client answers with the value.
#[derive(Call, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[call(returns = Values)]
pub struct Reflect {
    pub value: Values,
}

#[websocket(path = "/values", envelope = JsonRpc, sends = Event, max_message_size = 16MiB)]
#[derive(Default)]
pub struct Mirror;

/// Returns values unchanged.
#[websocket(contract(calls = [Reflect]), client = pub MirrorClient)]
impl Mirror {
    /// Returns an argument.
    #[on_call]
    fn echo(&mut self, value: Values) -> Values {
        value
    }

    /// Returns all parameters.
    #[on_call]
    fn all(&mut self, Params(values): Params<Values>) -> Values {
        values
    }

    /// Returns arguments by themselves.
    #[on_call]
    fn parts(
        &mut self,
        integers: Integers,
        named: Named,
        tree: Option<Tree>,
    ) -> (Integers, Named, Option<Tree>) {
        (integers, named, tree)
    }

    /// Sends the value as messages.
    #[on_message]
    fn say(&mut self, value: Values, cx: &mut Context<Self>) {
        let (enums, named) = (value.enums.clone(), value.named.clone());
        cx.send(Event::Said(Box::new(value)));
        cx.send(Event::Parts { enums, named });
        cx.send(Event::Nothing);
    }

    /// Sends the value in a call to the client, and returns the answer.
    #[on_call]
    fn around(&mut self, value: Values, cx: &mut Context<Self>) -> Deferred<Result<Values, ClientCallError>> {
        Deferred::new(cx.call(Reflect { value }))
    }
}
