use std::convert::Infallible;

use axum_core::extract::FromRequestParts;
use hyper::http::request::Parts;

/// Extractor of whether the request arrived inside TLS of this crate's server
/// ([`Router::serve_tls`](crate::Router::serve_tls)), over HTTP/1.1 or HTTP/2.
///
/// Behind a proxy that ends TLS, the value is false, and the proxy's header (`X-Forwarded-Proto`, RFC 7239
/// `Forwarded`) has the answer. Inside another server the value is false, unless that server puts an `IsTls`
/// into the request's extensions.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// use ws_core::IsTls;
///
/// # #[websocket(path = "/")] struct Private;
/// #[websocket]
/// impl Private {
///     #[on_upgrade]
///     fn make(IsTls(is_tls): IsTls) -> Result<Self, StatusCode> {
///         if is_tls { Ok(Self) } else { Err(StatusCode::FORBIDDEN) }
///     }
///     #[on_open]
///     fn open(&mut self) -> &'static str {
///         "welcome"
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::<Private>::upgrade("/").tls().open().await.unwrap();
/// assert_eq!(client.text().await, "welcome");
/// let refused = TestClient::<Private>::upgrade("/").open().await.unwrap_err();
/// assert_eq!(refused.status, StatusCode::FORBIDDEN);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IsTls(pub bool);

impl<S: Sync> FromRequestParts<S> for IsTls {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}
