//! The construction of a handler from an HTTP request.

use std::future::Future;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;

use super::{Declared, Handler};
use crate::options::Options;
use crate::span::SpanChange;

/// The constructor of a handler `H` from a request to a router with state `S`. The type
/// [`Handler::Upgrade`](super::Handler::Upgrade) implements this trait.
#[diagnostic::on_unimplemented(
    message = "`{H}` cannot be created for a new connection",
    label = "`{H}` has neither `Default` nor an `#[on_upgrade]`",
    note = "add `#[derive(Default)]` to the type, or `#[on_upgrade] fn …() -> Self` to its `#[websocket] impl`"
)]
pub trait OnUpgrade<H, S> {
    /// The constructor that does not need the request, if there is one. The router then does not build a
    /// `HeaderMap` for the request.
    const WITHOUT_REQUEST: Option<fn() -> Upgrade<H>> = None;

    /// Creates the handler of one connection, or returns the response that rejects the request.
    fn upgrade(parts: &mut Parts, state: &S) -> impl Future<Output = Result<Upgrade<H>, Response>> + Send;
}

/// The [`Handler::Upgrade`](super::Handler::Upgrade) of a handler without `#[on_upgrade]`.
///
/// Only mounting on a router requires the handler to be `Default`. A handler that is only driven over a
/// stream, or only tested, need not be.
#[derive(Debug)]
pub struct DefaultUpgrade;

#[diagnostic::do_not_recommend]
impl<H: Default, S: Sync> OnUpgrade<H, S> for DefaultUpgrade {
    const WITHOUT_REQUEST: Option<fn() -> Upgrade<H>> = Some(|| Upgrade::new(H::default()));

    async fn upgrade(_: &mut Parts, _: &S) -> Result<Upgrade<H>, Response> {
        Ok(Upgrade::new(H::default()))
    }
}

/// An argument of `#[on_upgrade]`: any type with axum-core's `FromRequestParts` for a router with
/// state `S`.
#[diagnostic::on_unimplemented(
    message = "`#[on_upgrade]` cannot take a `{Self}` from the request",
    label = "an argument of its `#[on_upgrade]` is not an extractor",
    note = "extractors are `Path<T>`, `Query<T>`, `State<T>`, `HeaderMap`, `PeerAddr`, `IsTls`, `Subprotocols`, and all types that implement axum's `FromRequestParts`; the `T` of `Path` and `Query` is `serde::Deserialize`",
    note = "the state of the router is `{S}` here; if the argument needs another one, call `.with_state(…)` after the mounts: `Router::new().mount::<…>().with_state(…)`"
)]
pub trait Extractor<S>: Sized {
    /// Extracts the argument from the request, or returns the response that rejects the request.
    fn extract(parts: &mut Parts, state: &S) -> impl Future<Output = Result<Self, Response>> + Send;
}

#[diagnostic::do_not_recommend]
impl<T: FromRequestParts<S>, S: Send + Sync> Extractor<S> for T {
    async fn extract(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        T::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)
    }
}

/// An [`Extractor`] named `State`. A trait of its own, so that a compile error is about the router's state.
#[diagnostic::on_unimplemented(
    message = "`#[on_upgrade]` cannot take a `{Self}` from a router whose state is `{S}`",
    label = "the state of this router is `{S}`",
    note = "call `.with_state(…)` after the mounts: `Router::new().mount::<…>().with_state(…)`",
    note = "the `T` of `State<T>` is `Clone`, and is the state of the router (`.with_state(…)`, in a test `.state(…)`) or a part of it by `FromRef`"
)]
pub trait StateExtractor<S>: Extractor<S> {}

#[diagnostic::do_not_recommend]
impl<T: Extractor<S>, S> StateExtractor<S> for T {}

/// A handler with settings for its connection: a return type of `#[on_upgrade]` beside `Self`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(path = "/")] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_upgrade]
///     fn join() -> Upgrade<Self> {
///         Upgrade::new(Chat).header("x-room", "lobby").options(|o| o.max_message_size = 4096)
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let mut client = TestClient::<Chat>::upgrade("/").open().await.unwrap();
/// # client.send("x".repeat(4097)).await;
/// # assert_eq!(client.closed().await.code, CloseCode::Size);
/// # }
/// ```
///
/// An `#[on_upgrade]` that chooses the subprotocol itself, from the offers that `Subprotocols` extracts:
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(path = "/")] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_upgrade]
///     fn join(offers: Subprotocols) -> Upgrade<Self> {
///         if offers.contains("v2.json") {
///             Upgrade::new(Chat).subprotocol("v2.json")
///         } else {
///             Upgrade::new(Chat)
///         }
///     }
///     #[on_open]
///     fn open(&mut self, cx: &mut Context<Self>) -> String {
///         cx.subprotocol().unwrap_or("none").into()
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let offer = |list| TestClient::<Chat>::upgrade("/").header("sec-websocket-protocol", list);
/// assert_eq!(offer("v1, v2.json").open().await.unwrap().text().await, "v2.json");
/// assert_eq!(offer("xv2.json").open().await.unwrap().text().await, "none");
/// # }
/// ```
#[derive(Debug)]
pub struct Upgrade<H> {
    pub(crate) handler: H,
    pub(crate) subprotocol: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
    pub(crate) options: Option<Options>,
    pub(crate) span: Option<SpanChange>,
    /// The last invalid header or subprotocol, as text for the log.
    pub(crate) error: Option<String>,
}

impl<H> Upgrade<H> {
    /// Creates an upgrade with the declared settings.
    pub fn new(handler: H) -> Self {
        Self { handler, subprotocol: None, headers: HeaderMap::new(), options: None, span: None, error: None }
    }

    /// Selects a subprotocol, in place of the choice from the declared `subprotocols`.
    ///
    /// The client must have offered the subprotocol (RFC 6455 §4.1); [`Subprotocols`](crate::Subprotocols)
    /// holds its offers. The name is a token (RFC 9110 §5.6.2). Otherwise the server responds with 500 and
    /// logs the reason.
    pub fn subprotocol(mut self, name: &str) -> Self {
        match HeaderValue::from_str(name) {
            Ok(value) if !name.is_empty() && name.bytes().all(is_token) => self.subprotocol = Some(value),
            _ => self.error = Some(format!("the subprotocol {name:?} is not a token")),
        }
        self
    }

    /// Adds a header to the 101 response.
    ///
    /// `Sec-WebSocket-Protocol` is the same as [`subprotocol`](Self::subprotocol). Other headers that belong
    /// to the handshake or to a body are the server's: `Connection`, `Upgrade`, `Content-Length`,
    /// `Transfer-Encoding` and those that begin with `Sec-WebSocket-`, except the `Sec-WebSocket-Location` of
    /// draft 76. For them, and if the name or the value is invalid, the server responds with 500 and logs the
    /// reason.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket(path = "/")] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_upgrade]
    ///     fn join() -> Upgrade<Self> {
    ///         Upgrade::new(Chat).header("set-cookie", "seen=1").header("sec-websocket-extensions", "x-mine")
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let refused = TestClient::<Chat>::upgrade("/").open().await.unwrap_err();
    /// assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    /// # }
    /// ```
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            (Ok(SEC_WEBSOCKET_PROTOCOL), Ok(_)) => return self.subprotocol(value),
            (Ok(name), Ok(_)) if belongs_to_handshake(&name) => {
                self.error = Some(format!("the header `{name}` belongs to the handshake"));
            }
            (Ok(name), Ok(value)) => _ = self.headers.append(name, value),
            _ => self.error = Some(format!("invalid header {name:?}: {value:?}")),
        }
        self
    }

    /// Changes the `tracing` span of the connection before the span is entered, for example to continue a trace of
    /// the client.
    ///
    /// `change` is not called if no subscriber takes the span. A panic in `change` is a 500. A second call replaces
    /// the first. Without a change, the parent of the span is the span in which the request was handled, if there is
    /// one. [Observability](crate::guide::observability#traces) has an example with OpenTelemetry, whose parent can
    /// only be set here.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket(path = "/")] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_upgrade]
    ///     fn join(headers: HeaderMap) -> Upgrade<Self> {
    ///         Upgrade::new(Chat).span(move |span| {
    ///             let user = headers.get("x-user").and_then(|user| user.to_str().ok());
    ///             span.record("tag", user);
    ///         })
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::<Chat>::upgrade("/").header("x-user", "ann").open().await.unwrap();
    /// client.close(1000).await;
    /// # }
    /// ```
    pub fn span(mut self, change: impl FnOnce(&tracing::Span) + Send + 'static) -> Self {
        self.span = Some(SpanChange(Box::new(change)));
        self
    }

    /// Changes the declared options for this connection.
    ///
    /// The options of the handshake (`subprotocols`, `origins`, and `legacy` for draft 76) were applied
    /// before, so changing them has no effect. `compress` is applied afterwards.
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Self
    where
        H: Handler,
    {
        change(self.options.get_or_insert(H::CHECKED_DECLARATION.options));
        self
    }
}

/// Returns whether the server alone sets a header of the 101 response.
fn belongs_to_handshake(name: &HeaderName) -> bool {
    // The location of draft 76 is the URL that the client opened, which only the handler knows behind a proxy.
    matches!(*name, CONNECTION | UPGRADE | CONTENT_LENGTH | TRANSFER_ENCODING)
        || name.as_str().starts_with("sec-websocket-") && name.as_str() != "sec-websocket-location"
}

/// Returns whether a byte may occur in a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A return type of `#[on_upgrade]`.
#[diagnostic::on_unimplemented(
    message = "`#[on_upgrade]` of `{H}` cannot return `{Self}`",
    label = "does not create a `{H}`",
    note = "return `Self`, `Upgrade<Self>`, or a `Result` of one of them with an error that is a response, for example `StatusCode` or `(StatusCode, String)`"
)]
pub trait IntoUpgrade<H> {
    /// Returns the upgrade to perform.
    ///
    /// # Errors
    ///
    /// Returns the response that rejects the handshake.
    #[allow(clippy::result_large_err)] // Called once per connection; `Response` is a type of axum-core.
    fn into_upgrade(self) -> Result<Upgrade<H>, Response>;
}

#[diagnostic::do_not_recommend]
impl<H: Declared> IntoUpgrade<H> for H {
    fn into_upgrade(self) -> Result<Upgrade<H>, Response> {
        Ok(Upgrade::new(self))
    }
}

#[diagnostic::do_not_recommend]
impl<H> IntoUpgrade<H> for Upgrade<H> {
    fn into_upgrade(self) -> Result<Upgrade<H>, Response> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<H, U: IntoUpgrade<H>, E: IntoResponse> IntoUpgrade<H> for Result<U, E> {
    fn into_upgrade(self) -> Result<Upgrade<H>, Response> {
        self.map_err(|error| ensure_error_status(error.into_response()))?.into_upgrade()
    }
}

/// Returns an error response with the status 500 if its own status is not an error status. The response
/// of a `String`, for example, has the status 200.
fn ensure_error_status(mut response: Response) -> Response {
    if response.status().is_informational() || response.status().is_success() {
        tracing::error!(status = %response.status(), "an error of `#[on_upgrade]` has no error status: sending 500");
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    response
}
