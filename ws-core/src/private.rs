//! The items that generated code may name. User code does not use this module.

pub use std::any::Any;
pub use std::boxed::Box;
use std::future::Future;
pub use std::string::String;
pub use std::sync::Arc;
use std::time::Duration;
pub use std::vec::Vec;

pub use axum_core::response::Response;
pub use hyper::http::request::Parts;

pub use crate::__contract_items as contract_items;
#[cfg(feature = "client")]
pub use crate::client::{Client, ConnectError, Remote, RemoteAnswers, RemoteCallError, RemoteParams};
pub use crate::close::{CloseCodes, CloseReason};
pub use crate::context::Context;
#[cfg(feature = "json")]
pub use crate::envelope::{Call, CallError, ClientCallError, JsonRpc, Messages, TagNames};
pub use crate::error::HandlerError;
pub use crate::event::{Event, EventOutcome, FromPart, MissedCount};
use crate::handler::ReplyOf;
pub use crate::handler::{
    Declared, DefaultUpgrade, Extractor, Handler, HandlerInstance, HasState, InfoOf, IntoUpgrade,
    MethodFuture, MethodOutput, Mounted, OnInfo, OnUpgrade, StateExtractor, StateTimer, States, Timer,
    Upgrade, UsesStates, check_event, check_reached, upgrade_to_state,
};
#[cfg(feature = "json")]
pub use crate::handler::{Enveloped, NamedMessages};
pub use crate::last_call::{CalledMethod, note_method};
pub use crate::message::PartBuf;
#[cfg(feature = "json")]
pub use crate::named::AnswerValue;
#[cfg(feature = "json")]
pub use crate::named::{
    Answering, ArgumentType, BatchRest, Caller, NamedMethods, TextArgument, UnusableArgument, arguments,
    dispatch_text, not_a_call, params, refuse, refuse_async, run_batch, unknown_name, wrong_state,
    wrong_state_async,
};
pub use crate::options::{
    Compress, Declaration, OnSecond, Origins, Overflow, SessionOptions, Unhandled, UnsentLimit,
};
pub use crate::payload::{FromBinary, FromText};
#[cfg(feature = "json")]
pub use crate::reply::SendsOnly;
pub use crate::reply::{AnyReply, MessageProtocol, Unchecked};
use crate::router::PathExtractor;
#[cfg(feature = "json")]
pub use serde_json::value::RawValue;

/// The functions that describe a handler.
#[cfg(feature = "contract")]
pub mod contract {
    pub use crate::contract::answer::{NoErrors, PlainAnswer};
    pub use crate::contract::content::{binary_payload, parts, reply, text_payload};
    pub use crate::contract::describe::{
        AnswerOf, ArgumentList, ErrorsOf, ExtractorOf, MethodText, all_params, begin, call, client_call,
        close, message, states,
    };
    pub use crate::contract::extract::OtherExtractor;
    pub use crate::contract_model::Description;
}

/// The parts of a `Result`, also where an alias has fewer arguments.
pub trait ResultParts {
    /// The value.
    type Ok;
    /// The error.
    type Error;
}

impl<T, E> ResultParts for Result<T, E> {
    type Ok = T;
    type Error = E;
}

pub use crate::client_only;

/// Emits the code of a typed client.
#[cfg(feature = "client")]
#[doc(hidden)]
#[macro_export]
macro_rules! client_only {
    ($($code:tt)*) => { $($code)* };
}

/// Reports a typed client that needs the feature `client`.
#[cfg(not(feature = "client"))]
#[doc(hidden)]
#[macro_export]
macro_rules! client_only {
    ($($code:tt)*) => {
        ::core::compile_error!(
            "`client = …` needs the feature `client` of ws-core\n\
             help: write `features = [\"client\"]` for ws-core in `Cargo.toml`"
        );
    };
}

/// The envelope of a handler's declaration, or a placeholder.
#[cfg(feature = "json")]
pub type EnvelopeOf<H> = <<H as Declared>::Protocol as MessageProtocol>::Envelope;

/// Copies the parameters of an async method whose arguments borrow from them.
#[cfg(feature = "json")]
pub fn copy_params(params: &RawValue) -> Box<RawValue> {
    params.to_owned()
}

/// Returns the declaration of a handler. The bound is not `Declared`, so that the compiler reports a type without a
/// declaration at its `impl` only.
pub const fn declaration<H: Handler>() -> Declaration {
    H::DECLARATION
}

/// Returns the duration of an attribute, which the macro converts to nanoseconds.
pub const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// Returns the size of an option, which the macro converts to bytes.
///
/// # Panics
///
/// Panics if the size does not fit into `usize`. Generated code calls this in a constant, so the panic
/// is a compile error.
#[expect(clippy::cast_possible_truncation, reason = "the assertion checks for truncation")]
pub const fn bytes(bytes: u64) -> usize {
    assert!(bytes as usize as u64 == bytes, "this size is too large for the target");
    bytes as usize
}

/// Checks that an extractor named `Path` is the one of this crate.
pub const fn check_path<T: PathExtractor>() {}

/// Returns the context in code that does not compile: where a task or a thread captures `cx`. The lifetime
/// keeps the compiler from reporting the capture a second time.
///
/// # Panics
///
/// Panics always.
pub fn captured_context<H: Handler>() -> &'static mut Context<H> {
    unreachable!("code with errors does not run")
}

/// Sends the value that a method returned.
///
/// # Errors
///
/// Returns the error of an earlier `send` of the method, or else the error of the reply.
#[inline]
pub fn reply<H: Handler, R: ReplyOf<H>>(cx: &mut Context<H>, reply: R) -> Result<(), HandlerError> {
    cx.reply(reply)
}

/// Boxes the future of an async method. The bound `Send` is here so that a compile error points at the
/// method.
#[inline]
pub fn box_method<'a, H, F>(method: F) -> MethodFuture<'a, H>
where
    H: Handler,
    F: Future<Output = MethodOutput<'a, H>> + Send + 'a,
{
    Box::pin(method)
}

/// Returns the output of an async method whose payload did not decode.
pub fn decode_failed<H: Handler>(
    instance: &mut HandlerInstance<H>,
    error: impl Into<HandlerError>,
) -> MethodOutput<'_, H> {
    (instance, Err(error.into()))
}

/// Emits the description of a handler.
#[cfg(feature = "contract")]
#[doc(hidden)]
#[macro_export]
macro_rules! __contract_items {
    ($($items:tt)*) => { $($items)* };
}

/// Reports a description in a build without the feature.
#[cfg(not(feature = "contract"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __contract_items {
    ($($items:tt)*) => {
        ::core::compile_error!(
            "`contract` needs the feature `contract` of ws-core: write `ws-core = { version = \"0.1\", features = [\"contract\"] }` in Cargo.toml"
        );
    };
}
