//! The construction of a handler from an HTTP request.

use std::future::Future;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;

use super::Declared;
use crate::options::Options;

/// How a handler comes to be from a request to a router with state `S`: what `Handler::Upgrade`
/// implements.
#[diagnostic::on_unimplemented(
    message = "no `{H}` can be made for a new connection",
    label = "`{H}` has neither `Default` nor an `#[on_upgrade]`",
    note = "add `#[derive(Default)]` to the type, or `#[on_upgrade] fn …() -> Self` to its `#[websocket] impl`"
)]
pub trait OnUpgrade<H, S> {
    /// Makes it without a look at the request, if that is how it is made: then nobody has to take the
    /// request apart.
    const WITHOUT_REQUEST: Option<fn() -> Upgrade<H>> = None;

    /// Makes the handler of one connection, or answers the request with something else.
    fn upgrade(parts: &mut Parts, state: &S) -> impl Future<Output = Result<Upgrade<H>, Response>> + Send;
}

/// The `Handler::Upgrade` of a handler without `#[on_upgrade]`. That it is `Default` is demanded
/// where it is mounted: one that is only driven over a stream, or tested, need not be.
#[derive(Debug)]
pub struct DefaultUpgrade;

#[diagnostic::do_not_recommend]
impl<H: Default, S: Sync> OnUpgrade<H, S> for DefaultUpgrade {
    const WITHOUT_REQUEST: Option<fn() -> Upgrade<H>> = Some(|| Upgrade::new(H::default()));

    async fn upgrade(_: &mut Parts, _: &S) -> Result<Upgrade<H>, Response> {
        Ok(Upgrade::new(H::default()))
    }
}

/// An argument of `#[on_upgrade]`: whatever axum-core's `FromRequestParts` makes from a request to
/// a router with state `S`.
#[diagnostic::on_unimplemented(
    message = "`#[on_upgrade]` cannot take a `{Self}` from the request",
    label = "an argument of its `#[on_upgrade]` is no extractor",
    note = "extractors are `Path<T>`, `Query<T>`, `State<T>`, `HeaderMap`, `PeerAddr`, and all that implement axum's `FromRequestParts`; the `T` of `Path` and `Query` is `serde::Deserialize`",
    note = "the `T` of `State<T>` is `Clone`, and what `.with_state(…)` (in a test `.state(…)`) is given, or a part of it by `FromRef`; here that is `{S}`"
)]
pub trait Extractor<S>: Sized {
    /// Makes the argument, or answers the request with the rejection.
    fn extract(parts: &mut Parts, state: &S) -> impl Future<Output = Result<Self, Response>> + Send;
}

#[diagnostic::do_not_recommend]
impl<T: FromRequestParts<S>, S: Send + Sync> Extractor<S> for T {
    async fn extract(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        T::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)
    }
}

/// A handler with what is special about its connection; what `#[on_upgrade]` may return instead
/// of `Self`.
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
/// A subprotocol that depends on who connects:
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(path = "/")] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_upgrade]
///     fn join(headers: HeaderMap) -> Upgrade<Self> {
///         let offers = headers.get("sec-websocket-protocol").and_then(|list| list.to_str().ok());
///         match offers {
///             Some(list) if list.contains("v2.json") => Upgrade::new(Chat).subprotocol("v2.json"),
///             _ => Upgrade::new(Chat),
///         }
///     }
///     #[on_open]
///     fn open(&mut self, cx: &mut Context<Self>) -> Option<String> {
///         cx.subprotocol().map(Into::into)
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let offer = TestClient::<Chat>::upgrade("/").header("sec-websocket-protocol", "v1, v2.json");
/// assert_eq!(offer.open().await.unwrap().text().await, "v2.json");
/// # }
/// ```
#[derive(Debug)]
pub struct Upgrade<H> {
    pub(crate) handler: H,
    pub(crate) subprotocol: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
    pub(crate) options: Option<Options>,
    /// Why it cannot be: a header or subprotocol that is none.
    pub(crate) error: Option<String>,
}

impl<H> Upgrade<H> {
    /// The handler, and nothing special.
    pub fn new(handler: H) -> Self {
        Self { handler, subprotocol: None, headers: HeaderMap::new(), options: None, error: None }
    }

    /// Answers with this subprotocol instead of the one that the declaration would choose. It must
    /// be one that the client offered (RFC 6455 §4.1); otherwise the request is answered with 500.
    pub fn subprotocol(mut self, name: &str) -> Self {
        match HeaderValue::from_str(name) {
            Ok(value) if !name.is_empty() => self.subprotocol = Some(value),
            _ => self.error = Some(format!("{name:?} is no name of a subprotocol")),
        }
        self
    }

    /// Adds a header to the response. One that cannot be a header is answered with 500.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => _ = self.headers.append(name, value),
            _ => self.error = Some(format!("{name:?}: {value:?} is no header")),
        }
        self
    }

    /// Changes the declared options for this connection. Those of the handshake itself
    /// (`subprotocols`, `origins`, `legacy` for draft 76) have been used by then; `compress` has not.
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Self
    where
        H: Declared,
    {
        change(self.options.get_or_insert(H::DECLARATION.options));
        self
    }
}

/// What `#[on_upgrade]` may return.
#[diagnostic::on_unimplemented(
    message = "`#[on_upgrade]` of `{H}` cannot return `{Self}`",
    label = "does not make a `{H}`",
    note = "return `Self`, `Upgrade<Self>`, or a `Result` of one of them with an error that is a response, as `StatusCode` or `(StatusCode, String)`"
)]
pub trait IntoUpgrade<H> {
    /// The handler, or the response to send instead.
    ///
    /// # Errors
    ///
    /// The response that refuses the handshake.
    #[allow(clippy::result_large_err)] // Once for each connection; the response is what it is.
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

/// An error whose response would be a success, as that of a `String` is, refuses all the same.
fn ensure_error_status(mut response: Response) -> Response {
    if response.status().is_informational() || response.status().is_success() {
        tracing::error!(status = %response.status(), "an error of `#[on_upgrade]` is no refusal: sending 500");
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    response
}
