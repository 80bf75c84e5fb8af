//! Extractors for `#[on_upgrade]`. The extractors of axum work too, except its `Path`, which needs axum's
//! router.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Deref;

use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::http::Extensions;
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;

use super::path::{PathError, PathParams, deserialize};
use crate::upgrade;

/// Extractor of the path's parameters, percent-decoded.
///
/// - `Path<String>` holds the only parameter.
/// - `Path<(String, u32)>` holds several parameters in order.
/// - `Path<T>` of a `Deserialize` struct holds parameters by name.
///
/// Parameters with a name like `{_name}` are left out. If a parameter does not parse, or if its decoded bytes
/// are not UTF-8, the request gets 400.
/// If the handler's path has more or fewer parameters than the type, that is a compile error where the macro
/// can count them; otherwise the request gets 500.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[websocket(path = "/rooms/{room}/seats/{seat}")]
/// struct Seat { room: String, seat: u32 }
///
/// #[websocket]
/// impl Seat {
///     #[on_upgrade]
///     fn sit(Path((room, seat)): Path<(String, u32)>) -> Self {
///         Self { room, seat }
///     }
///     #[on_open]
///     fn open(&mut self) -> String {
///         format!("seat {} of {}", self.seat, self.room)
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::<Seat>::upgrade("/rooms/blue%20salon/seats/7").open().await.unwrap();
/// assert_eq!(client.text().await, "seat 7 of blue salon");
/// let refused = TestClient::<Seat>::upgrade("/rooms/lobby/seats/front").open().await.unwrap_err();
/// assert_eq!(refused.status, StatusCode::BAD_REQUEST);
/// # }
/// ```
///
/// The type is not axum's `Path`, which needs axum's router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<T>(pub T);

/// The extractor of the path's parameters: a [`Path`]. Generated code checks with this trait that a type
/// named `Path` is not axum's.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `ws_core::Path`",
    label = "does not extract the parameters of the handler's path",
    note = "only axum's router fills axum's `Path`, which would answer every request with 500: remove its import, or write `ws_core::Path<…>`",
    note = "an extractor of your own cannot be called `Path`; import it under another name"
)]
pub trait PathExtractor {}

impl<T> PathExtractor for Path<T> {}

impl<S: Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let none = PathParams::default();
        let params = parts.extensions.get().unwrap_or(&none);
        deserialize(params).map(Self).map_err(|error| match error {
            PathError::InvalidValue(_) => bad_request("path", &error),
            PathError::Mismatch(_) => {
                tracing::error!(%error, path = parts.uri.path(), "`Path` does not match the handler's path");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        })
    }
}

/// Extractor of the query string, as a `Deserialize` struct. If the query does not parse, or if its decoded
/// bytes are not UTF-8, the request gets 400.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[derive(serde::Deserialize)]
/// struct Login {
///     name: String,
///     age: Option<u8>,
/// }
/// # #[websocket(path = "/")] struct Guest(Login);
/// #[websocket]
/// impl Guest {
///     #[on_upgrade]
///     fn join(Query(login): Query<Login>) -> Self {
///         Self(login)
///     }
///     #[on_open]
///     fn open(&mut self) -> String {
///         format!("{} {:?}", self.0.name, self.0.age)
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::<Guest>::upgrade("/?name=J%C3%BCrgen").open().await.unwrap();
/// assert_eq!(client.text().await, "Jürgen None");
/// let refused = TestClient::<Guest>::upgrade("/?age=30").open().await.unwrap_err();
/// assert_eq!(refused.status, StatusCode::BAD_REQUEST);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let query = parts.uri.query().unwrap_or_default();
        if percent_encoding::percent_decode_str(query).decode_utf8().is_err() {
            return Err(bad_request("query", &"not UTF-8"));
        }
        serde_urlencoded::from_str(query).map(Self).map_err(|error| bad_request("query", &error))
    }
}

/// Extractor of the state that [`Router::with_state`](crate::Router::with_state) supplies, or of a part for
/// which the state has a `FromRef`. The value is cloned, so put large values into an `Arc`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[derive(Clone)]
/// struct Greeting(String);
///
/// #[websocket(path = "/")]
/// struct Greeter(String);
///
/// #[websocket]
/// impl Greeter {
///     #[on_upgrade]
///     fn make(State(Greeting(text)): State<Greeting>) -> Self {
///         Self(text)
///     }
///
///     #[on_open]
///     fn greet(&mut self) -> &str {
///         &self.0
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let router: Router = Router::new().mount::<Greeter>().with_state(Greeting("Hello!".into()));
/// # let mut client = TestClient::<Greeter>::upgrade("/").state(Greeting("Hello!".into())).open().await.unwrap();
/// # assert_eq!(client.text().await, "Hello!");
/// # }
/// ```
///
/// A state of several parts, which an `#[on_upgrade]` can extract separately:
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// use ws_core::axum_core::extract::FromRef;
///
/// #[derive(Clone)]
/// struct App { greeting: &'static str, port: u16 }
///
/// impl FromRef<App> for u16 {
///     fn from_ref(app: &App) -> Self {
///         app.port
///     }
/// }
/// # #[websocket(path = "/")] struct Greeter(String);
/// #[websocket]
/// impl Greeter {
///     #[on_upgrade]
///     fn make(State(port): State<u16>, State(app): State<App>) -> Self {
///         Self(format!("{} on {port}", app.greeting))
///     }
///     #[on_open]
///     fn greet(&mut self) -> &str {
///         &self.0
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let app = App { greeting: "Hello!", port: 80 };
/// let mut client = TestClient::<Greeter>::upgrade("/").state(app).open().await.unwrap();
/// assert_eq!(client.text().await, "Hello! on 80");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<S: Sync, T: FromRef<S>> FromRequestParts<S> for State<T> {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(T::from_ref(state)))
    }
}

/// Extractor of the client's address. Behind a proxy, this is the proxy's address. With the feature `axum`,
/// axum's `ConnectInfo<SocketAddr>` extracts the same address, in `#[on_upgrade]` and in the
/// [`fallback`](crate::Router::fallback).
///
/// Inside another server, that server must put a `PeerAddr` into the request's extensions; otherwise the
/// request gets 500. The guide shows how, for [axum](crate::guide::mounting#in-axum).
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(path = "/")] #[derive(Default)] struct Private;
/// #[websocket]
/// impl Private {
///     #[on_upgrade]
///     fn make(PeerAddr(addr): PeerAddr) -> Result<Self, StatusCode> {
///         if addr.ip().is_loopback() { Ok(Self) } else { Err(StatusCode::FORBIDDEN) }
///     }
///     #[on_open]
///     fn open(&mut self) -> &'static str {
///         "welcome"
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // The test client has no address.
/// let refused = TestClient::<Private>::upgrade("/").open().await.unwrap_err();
/// assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

impl PeerAddr {
    /// Puts the address into a request, for extractors of this type and of axum's `ConnectInfo`.
    pub(crate) fn insert_into(self, extensions: &mut Extensions) {
        extensions.insert(self);
        #[cfg(feature = "axum")]
        extensions.insert(axum::extract::ConnectInfo(self.0));
    }
}

impl<S: Sync> FromRequestParts<S> for PeerAddr {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let unknown = || (StatusCode::INTERNAL_SERVER_ERROR, "the client's address is unknown\n");
        parts.extensions.get().copied().ok_or_else(|| unknown().into_response())
    }
}

/// `Option<PeerAddr>` accepts a request without an address, for a router inside another server.
impl<S: Sync> OptionalFromRequestParts<S> for PeerAddr {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().copied())
    }
}

/// Extractor of the subprotocols that the client offers in `Sec-WebSocket-Protocol`, the preferred one first
/// (RFC 6455 §11.3.4). Without an offer, or if no element is a token, the value is empty.
///
/// Dereferences to a slice. A handler with a fixed list of subprotocols need not extract the offers, because
/// the option `subprotocols` chooses from them. This type is for a choice that depends on the request, or for
/// a client that passes a token in place of a subprotocol, because a page cannot set other headers.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(path = "/")] struct Chat(String);
/// #[websocket]
/// impl Chat {
///     #[on_upgrade]
///     fn join(offers: Subprotocols) -> Result<Upgrade<Self>, StatusCode> {
///         // `new WebSocket(url, ["chat.v1", "token." + token])`
///         let token = offers.iter().find_map(|offer| offer.strip_prefix("token."));
///         let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
///         Ok(Upgrade::new(Self(token.to_owned())).subprotocol("chat.v1"))
///     }
///     #[on_open]
///     fn open(&mut self) -> &str {
///         &self.0
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let offer = |list| TestClient::<Chat>::upgrade("/").header("sec-websocket-protocol", list);
/// assert_eq!(offer("chat.v1, token.secret").open().await.unwrap().text().await, "secret");
/// assert_eq!(offer("chat.v1").open().await.unwrap_err().status, StatusCode::UNAUTHORIZED);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subprotocols(Vec<String>);

impl Subprotocols {
    /// Returns whether the client offers a subprotocol. Names are compared with regard to case.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// assert!(!Subprotocols::default().contains("chat.v1"));
    /// ```
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|offer| offer == name)
    }
}

impl Deref for Subprotocols {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Subprotocols {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(upgrade::offered_subprotocols(&parts.headers).map(Into::into).collect()))
    }
}

fn bad_request(part: &str, error: &dyn std::fmt::Display) -> Response {
    (StatusCode::BAD_REQUEST, format!("invalid {part}: {error}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[tokio::test]
    async fn subprotocols_are_parsed() {
        for (lines, expect) in [
            (&[][..], &[][..]),
            (&["xv2.json"], &["xv2.json"]),
            (&["b, a ,,b", "\tc"], &["b", "a", "b", "c"]),
            (&["a b, c/d, e;f, \"g\", h"], &["h"]),
            // These are for the session protocol, and contain secrets.
            (&["ws-core.session.v1, ws-core.resume.AAECAwQFBgcICQoLDA0ODw.1, a"], &["a"]),
        ] {
            let request = lines
                .iter()
                .fold(Request::builder(), |request, line| request.header("sec-websocket-protocol", *line));
            let mut parts = request.body(()).unwrap().into_parts().0;
            let Ok(offers) = Subprotocols::from_request_parts(&mut parts, &()).await;
            assert_eq!(*offers, *expect, "{lines:?}");
        }
    }
}
