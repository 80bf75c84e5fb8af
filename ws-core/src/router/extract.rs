//! Extractors for `#[on_upgrade]`. Those of axum work too, but for its `Path`, which only its own
//! router fills.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;

use super::path::{PathParams, deserialize};

/// The parameters of the path: `Path<String>` for one, `Path<(String, u32)>` for several in order,
/// `Path<T>` of a `Deserialize` struct by name. They are percent-decoded; one that does not parse
/// is answered with 400.
///
/// ```
/// # #![allow(dead_code)]
/// use ws_core::prelude::*;
///
/// #[websocket(path = "/rooms/{room}/seats/{seat}")]
/// struct Seat { room: String, seat: u32 }
///
/// #[websocket]
/// impl Seat {
///     #[on_upgrade]
///     fn sit(Path((room, seat)): Path<(String, u32)>) -> Self {
///         Self { room, seat }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<S: Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let none = PathParams::default();
        let params = parts.extensions.get().unwrap_or(&none);
        deserialize(params).map(Self).map_err(|error| bad_request("path", &error))
    }
}

/// The query string as a `Deserialize` struct; one that does not parse is answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let query = parts.uri.query().unwrap_or_default();
        serde_urlencoded::from_str(query).map(Self).map_err(|error| bad_request("query", &error))
    }
}

/// The state that [`Router::with_state`](crate::Router::with_state) supplied, or a part of it that
/// `FromRef` names. It is cloned, so what is large goes into an `Arc`.
///
/// ```
/// use ws_core::prelude::*;
///
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
/// let router = Router::new().mount::<Greeter>().with_state(Greeting("Hello!".into()));
/// # let _: Router = router;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<S: Sync, T: FromRef<S>> FromRequestParts<S> for State<T> {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(T::from_ref(state)))
    }
}

/// Where the client connected from; a router inside another server does not know, and answers with
/// 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

impl<S: Sync> FromRequestParts<S> for PeerAddr {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let unknown = || (StatusCode::INTERNAL_SERVER_ERROR, "the address of the client is unknown\n");
        parts.extensions.get().copied().ok_or_else(|| unknown().into_response())
    }
}

/// `Option<PeerAddr>`: a router inside another server goes on without.
impl<S: Sync> OptionalFromRequestParts<S> for PeerAddr {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().copied())
    }
}

fn bad_request(what: &str, error: &dyn std::fmt::Display) -> Response {
    (StatusCode::BAD_REQUEST, format!("bad {what}: {error}\n")).into_response()
}
