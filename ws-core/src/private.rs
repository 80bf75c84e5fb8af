//! What generated code may name. Nothing here is meant to be written by hand.

use std::future::Future;
pub use std::string::String;
use std::time::Duration;
pub use std::vec::Vec;

pub use axum_core::response::Response;
pub use hyper::http::request::Parts;

pub use crate::close::CloseReason;
pub use crate::context::Context;
pub use crate::error::HandlerError;
pub use crate::event::{Event, EventOutcome, MissedCount};
pub use crate::handler::{
    Declared, DefaultUpgrade, Extractor, Handler, HandlerInstance, InfoOf, IntoUpgrade, MethodFuture,
    MethodOutput, Mounted, OnInfo, OnUpgrade, Timer, Upgrade,
};
pub use crate::options::{Compress, Declaration, Origins, Overflow, Unhandled};
pub use crate::payload::{FromBinary, FromText};
use crate::reply::IntoReply;

/// A duration as the attributes write it.
pub const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// A number of bytes as the options write it.
///
/// # Panics
///
/// If the target cannot count as many; as this is evaluated while compiling, that is a compile
/// error.
#[expect(clippy::cast_possible_truncation, reason = "it is looked at")]
pub const fn bytes(bytes: u64) -> usize {
    assert!(bytes as usize as u64 == bytes, "this size is too large for the target");
    bytes as usize
}

/// Sends what a method returned.
///
/// # Errors
///
/// What the reply failed with, or what a `send` of the method failed with before.
#[inline]
pub fn reply<H: Handler, R: IntoReply>(cx: &mut Context<H>, reply: R) -> Result<(), HandlerError> {
    cx.reply(reply)
}

/// Runs an async method. That it is `Send` is demanded here, so that an error stands where the
/// method does.
#[inline]
pub fn box_method<'a, H, F>(method: F) -> MethodFuture<'a, H>
where
    H: Handler,
    F: Future<Output = MethodOutput<'a, H>> + Send + 'a,
{
    Box::pin(method)
}

/// The end of an async method whose payload did not decode.
pub fn decode_failed<H: Handler>(
    instance: &mut HandlerInstance<H>,
    error: impl Into<HandlerError>,
) -> MethodOutput<'_, H> {
    (instance, Err(error.into()))
}
