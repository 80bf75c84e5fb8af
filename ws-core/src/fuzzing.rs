//! Access to private items for the fuzz targets of `tests/fuzz`, and for the tests that replay their seeds.

use axum_core::response::{IntoResponse, Response};
use hyper::HeaderMap;
use hyper::http::request::Parts;

use crate::options::Options;
pub use crate::router::parameters;
use crate::upgrade;
pub use crate::wire::fuzzing::{Connection, Decoder, Deflater, Parameters, frame};

/// Answers a handshake like an endpoint without `#[on_upgrade]`.
///
/// # Errors
///
/// Returns the response that rejects the handshake.
#[expect(clippy::result_large_err, reason = "the error is a response too")]
pub fn handshake(parts: &Parts, options: &Options) -> Result<(Response, Option<Parameters>), Response> {
    let mut acceptance = upgrade::check(parts, options).map_err(IntoResponse::into_response)?;
    let agreed = acceptance.negotiate_compression(&parts.headers, options);
    Ok((acceptance.to_response(&HeaderMap::new()), agreed.map(Into::into)))
}

#[cfg(test)]
pub(crate) mod tests;
