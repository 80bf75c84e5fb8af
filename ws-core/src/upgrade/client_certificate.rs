//! The extractor of the certificate that a client has shown.

use std::convert::Infallible;
use std::sync::Arc;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::http::request::Parts;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// Extractor of the certificate that the client has shown, which [`Tls::client_ca`](crate::Tls::client_ca) requests and
/// checks. Without one the request gets 403; `Option<ClientCertificate>` accepts it.
///
/// The certificate is DER (RFC 5280 §4.1). Crates such as x509-parser read names from it. A service may also compare
/// it with those that it knows:
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// use ws_core::ClientCertificate;
///
/// # const KNOWN: &[u8] = b"known";
/// # #[websocket(path = "/")] struct Private;
/// #[websocket]
/// impl Private {
///     #[on_upgrade]
///     fn make(certificate: ClientCertificate) -> Result<Self, StatusCode> {
///         if certificate.der() == KNOWN { Ok(Self) } else { Err(StatusCode::FORBIDDEN) }
///     }
///     #[on_open]
///     fn open(&mut self) -> &'static str {
///         "welcome"
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let client = TestClient::<Private>::upgrade("/").extension(ClientCertificate::new(KNOWN));
/// assert_eq!(client.open().await.unwrap().text().await, "welcome");
/// let refused = TestClient::<Private>::upgrade("/").open().await.unwrap_err();
/// assert_eq!(refused.status, StatusCode::FORBIDDEN);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate(Arc<[CertificateDer<'static>]>);

impl ClientCertificate {
    /// Creates an extension for the requests of tests.
    ///
    /// ```
    /// # use ws_core::ClientCertificate;
    /// assert_eq!(ClientCertificate::new(*b"der").der(), b"der");
    /// ```
    pub fn new(der: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new([CertificateDer::from(der.into())]))
    }

    /// Returns the extension for a chain that was checked, the client's own certificate first.
    pub(crate) fn from_chain(chain: &[CertificateDer<'static>]) -> Option<Self> {
        (!chain.is_empty()).then(|| Self(chain.into()))
    }

    /// Returns the client's own certificate.
    ///
    /// ```
    /// # use ws_core::ClientCertificate;
    /// assert_eq!(ClientCertificate::new(*b"der").der(), b"der");
    /// ```
    pub fn der(&self) -> &[u8] {
        self.0.first().map_or(&[], |certificate| certificate)
    }

    /// Returns all certificates that the client has sent, its own first, then those of its issuers.
    ///
    /// ```
    /// # use ws_core::ClientCertificate;
    /// assert_eq!(ClientCertificate::new(*b"der").chain().count(), 1);
    /// ```
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|certificate| &**certificate)
    }
}

impl<S: Sync> FromRequestParts<S> for ClientCertificate {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let missing = || (StatusCode::FORBIDDEN, "a client certificate is required\n");
        parts.extensions.get().cloned().ok_or_else(|| missing().into_response())
    }
}

/// `Option<ClientCertificate>` accepts a request without a certificate.
impl<S: Sync> OptionalFromRequestParts<S> for ClientCertificate {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}
