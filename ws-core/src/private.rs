//! What generated code may name. Nothing here is meant to be written by hand.

pub use std::string::String;
use std::time::Duration;
pub use std::vec::Vec;

pub use axum_core::extract::FromRequestParts;
use axum_core::response::IntoResponse;
pub use axum_core::response::Response;
pub use hyper::http::request::Parts;

pub use crate::close::CloseReason;
pub use crate::context::Context;
pub use crate::error::HandlerError;
pub use crate::event::{Event, Step};
pub use crate::handler::{
    Declared, Handler, IntoUpgrade, Mounted, OnInfo, OnUpgrade, Timer, Upgrade, WithoutUpgrade,
};
pub use crate::options::{Options, Origins, Unhandled};
pub use crate::payload::{FromBinary, FromText};
use crate::reply::IntoReply;

/// A duration as the attributes write it.
pub const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
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

/// Runs one extractor of `#[on_upgrade]`.
///
/// # Errors
///
/// The extractor's rejection, as a response.
pub async fn extract<T, S>(parts: &mut Parts, state: &S) -> Result<T, Response>
where
    T: FromRequestParts<S>,
    S: Sync,
{
    T::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)
}
