//! The `#[websocket]` attribute, which `ws_core` re-exports.
//!
//! Stages: `parse` knows the grammar, `model` validates, and `expand` generates code and cannot fail.
//! `errors` collects the errors of the first two stages. If there are any, `fallback` emits the
//! user's item, all errors and stub impls.

mod call;
mod errors;
mod expand;
mod fallback;
mod messages;
mod model;
mod parse;
mod snake_case;
mod websocket;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Declares a handler on a `struct` or `enum`, and generates its state machine on its `impl`.
///
/// The reference chapter of `ws_core::guide` lists the options, attributes, payloads and replies.
#[proc_macro_attribute]
pub fn websocket(args: TokenStream, item: TokenStream) -> TokenStream {
    websocket::websocket(args.into(), &item.into()).into()
}

/// Implements the names of the messages that a server sends, for an `enum` that is `Serialize`.
///
/// The trait of this name has the details.
#[proc_macro_derive(Messages, attributes(message))]
pub fn messages(item: TokenStream) -> TokenStream {
    messages::derive_messages(&item.into()).into()
}

/// Implements `ws_core::Call` for a struct: a call to the client.
///
/// `#[call(returns = bool)]` names the type of the result, and `#[call("name", returns = bool)]` also the client's
/// method.
#[proc_macro_derive(Call, attributes(call))]
pub fn derive_call(input: TokenStream) -> TokenStream {
    call::derive_call(input.into()).into()
}

/// Defines the helper attributes as macros that report their misuse. Without them, a helper outside of
/// an annotated `impl` would get "cannot find attribute". Inside, `#[websocket]` removes helpers
/// before they expand.
macro_rules! misplaced {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[proc_macro_attribute]
        pub fn $name(_: TokenStream, item: TokenStream) -> TokenStream {
            websocket::misplaced(stringify!($name), &item.into()).into()
        }
    )*};
}

misplaced! {
    /// Makes the handler from the request, before the 101; Cowboy's `init/2`.
    on_upgrade
    /// Runs when the connection is open; Cowboy's `websocket_init`.
    on_open
    /// Takes a text message; Cowboy's `websocket_handle({text, _}, _)`.
    on_text
    /// Takes a call of its name, and answers it.
    on_call
    /// Takes a message of its name, which has no answer.
    on_message
    /// Takes a binary message; Cowboy's `websocket_handle({binary, _}, _)`.
    on_binary
    /// Takes a part of a message as it arrives.
    on_part
    /// Takes a ping, after the automatic pong; Cowboy's `websocket_handle(ping, _)`.
    on_ping
    /// Takes a pong; Cowboy's `websocket_handle(pong, _)`.
    on_pong
    /// Takes a message from the rest of the system; Cowboy's `websocket_info`.
    on_info
    /// Takes the number of published messages that the connection missed.
    on_lagged
    /// Runs when the outbox is below its high-water mark again.
    on_drain
    /// Runs when a connection carries the session again.
    on_attach
    /// Runs when the session has lost its connection.
    on_detach
    /// Takes a failure: a payload that does not decode, or an `Err` that a method returned.
    on_error
    /// Takes the reason for the end of the connection; Cowboy's `terminate/3`.
    on_close
    /// Runs when the handler has entered a state.
    on_enter
    /// Runs before the handler leaves a state.
    on_leave
    /// Runs once per period.
    every
    /// Runs once, a given time after open.
    after
}
