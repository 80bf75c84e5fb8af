//! What the fuzz targets of `tests/fuzz` see of what is private. It exists for them alone, and for the
//! test that replays what they found.

use axum_core::response::{IntoResponse, Response};
use hyper::HeaderMap;
use hyper::http::request::Parts;

use crate::options::Options;
pub use crate::router::parameters;
use crate::upgrade;
pub use crate::wire::fuzzing::{Connection, Decoder, Deflater, Parameters, frame};

/// Answers a handshake as an endpoint does whose `#[on_upgrade]` has nothing to say.
///
/// # Errors
///
/// The response of a refusal.
#[expect(clippy::result_large_err, reason = "it is an answer too")]
pub fn handshake(parts: &Parts, options: &Options) -> Result<(Response, Option<Parameters>), Response> {
    let mut acceptance = upgrade::check(parts, options).map_err(IntoResponse::into_response)?;
    let agreed = acceptance.negotiate_compression(&parts.headers, options);
    Ok((acceptance.to_response(&HeaderMap::new()), agreed.map(Into::into)))
}

#[cfg(test)]
pub(crate) mod tests;
