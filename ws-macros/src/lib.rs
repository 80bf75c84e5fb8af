//! The `#[websocket]` attribute; users reach it through `ws_core`.
//!
//! Stages: `parse` knows the grammar, `model` all the rules, `expand` writes code and cannot
//! fail. What the first two complain about is collected in a `errors` and shown at once, behind a
//! `fallback` that keeps the user's item alive.

mod expand;
mod fallback;
mod model;
mod parse;
mod errors;
mod websocket;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Declares a handler on a `struct` or `enum`, and generates its state machine on its `impl`.
///
/// The README of `ws_core` lists the options, attributes, payloads and replies.
#[proc_macro_attribute]
pub fn websocket(args: TokenStream, item: TokenStream) -> TokenStream {
    websocket::websocket(args.into(), &item.into()).into()
}

/// Real macros, so that one outside of an annotated `impl` gets a sentence instead of "cannot find
/// attribute". Inside, `#[websocket]` takes them away before they run.
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
    /// Takes a binary message; Cowboy's `websocket_handle({binary, _}, _)`.
    on_binary
    /// Is told of a ping, whose pong is sent by itself; Cowboy's `websocket_handle(ping, _)`.
    on_ping
    /// Is told of a pong; Cowboy's `websocket_handle(pong, _)`.
    on_pong
    /// Takes a message from the rest of the system; Cowboy's `websocket_info`.
    on_info
    /// Is told how many published messages were missed.
    on_lagged
    /// Is told what failed: a payload that does not decode, an `Err` from a method.
    on_error
    /// Is told why the connection ended; Cowboy's `terminate/3`.
    on_close
    /// Runs again and again.
    every
    /// Runs once, so long after open.
    after
}
