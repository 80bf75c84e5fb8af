//! Handlers at paths, as a `tower` service.

mod endpoint;
mod extract;
mod path;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::{Request, StatusCode};
use tower_service::Service;

#[cfg(feature = "test-util")]
pub(crate) use endpoint::prepare;
use endpoint::{Bound, Endpoint, Mount, Shared};
pub use extract::{Path, PeerAddr, Query, State};
use path::PathParams;

use crate::driver::{Connections, now};
use crate::error::BoxError;
use crate::handler::{Handler, Mounted, OnUpgrade};

/// Handlers at paths, and the limits of their server.
///
/// A router is served with [`serve`](Router::serve), or is a part of another server: it is a
/// `tower` service of requests, so that it nests in an axum app.
///
/// | request | answer |
/// |---|---|
/// | a handshake for a mounted path | 101, or what `#[on_upgrade]` returned as an error |
/// | unknown path | the [`fallback`](Router::fallback), or 404 |
/// | other method than GET | 405 with `Allow: GET` |
/// | no upgrade, or an unknown version | 426 with `Upgrade: websocket` and `Sec-WebSocket-Version: 13, 8, 7` |
/// | missing or malformed key | 400 |
/// | foreign `Origin` | 403 |
/// | over [`max_connections`](Router::max_connections) | 503 |
///
/// `S` is the state that handlers' `#[on_upgrade]` extracts with [`State`], until
/// [`with_state`](Router::with_state) supplies it.
pub struct Router<S = ()> {
    paths: matchit::Router<usize>,
    endpoints: Vec<Arc<dyn Endpoint<S>>>,
    fallback: Option<Fallback>,
    pub(crate) settings: Settings,
    pub(crate) connections: Arc<Connections>,
}

/// The limits of a server.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_connections: usize,
    pub(crate) handshake_timeout: Duration,
    pub(crate) max_header_size: usize,
    pub(crate) shutdown_timeout: Duration,
}

type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;
type Fallback = Arc<dyn Fn(Request<Body>) -> ResponseFuture + Send + Sync>;

impl<S: Send + Sync + 'static> Router<S> {
    /// A router without any handler.
    pub fn new() -> Self {
        Self {
            paths: matchit::Router::new(),
            endpoints: Vec::new(),
            fallback: None,
            settings: Settings {
                max_connections: 65_536,
                handshake_timeout: Duration::from_secs(10),
                max_header_size: 16 << 10,
                shutdown_timeout: Duration::from_secs(10),
            },
            connections: Arc::default(),
        }
    }

    /// Mounts a handler at the path of its declaration.
    ///
    /// # Panics
    ///
    /// If another handler has a path that matches the same requests.
    #[track_caller]
    pub fn mount<H: Mounted + Handler<Upgrade: OnUpgrade<H, S>>>(self) -> Self {
        self.mount_at::<H>(H::DECLARED.path)
    }

    /// Mounts a handler at a path: `/chat/{room}` takes one segment, `/files/{*path}` all that
    /// follow.
    ///
    /// # Panics
    ///
    /// If the path is malformed, or another handler has one that matches the same requests.
    #[track_caller]
    pub fn mount_at<H: Handler<Upgrade: OnUpgrade<H, S>>>(mut self, path: &str) -> Self {
        assert!(path.starts_with('/'), "the path {path:?} does not start with `/`");
        if let Err(error) = self.paths.insert(path, self.endpoints.len()) {
            panic!("cannot mount a handler at {path:?}: {error}");
        }
        self.endpoints.push(Arc::new(Mount::<H>::new()));
        self
    }

    /// Supplies the state, of which `#[on_upgrade]` extracts parts with [`State`]. Mount the
    /// handlers first.
    pub fn with_state(self, state: S) -> Router {
        let state = Arc::new(state);
        let bind = |endpoint| Arc::new(Bound::new(endpoint, Arc::clone(&state))) as Arc<dyn Endpoint<()>>;
        Router {
            paths: self.paths,
            endpoints: self.endpoints.into_iter().map(bind).collect(),
            fallback: self.fallback,
            settings: self.settings,
            connections: self.connections,
        }
    }

    /// Answers requests for other paths: any `tower` service, an axum app among them. Without one
    /// they get 404.
    pub fn fallback<T>(mut self, service: T) -> Self
    where
        T: Service<Request<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        self.fallback = Some(Arc::new(move |request| {
            let mut service = service.clone();
            Box::pin(async move {
                let Ok(()) = poll_fn(|task| service.poll_ready(task)).await;
                let Ok(response) = service.call(request).await;
                response.into_response()
            })
        }));
        self
    }

    /// The most connections that may be open at a time; a handshake beyond gets 503. Default
    /// 65,536.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.max_connections = connections;
        self
    }

    /// How long a client may take to send its request, and `#[on_upgrade]` to answer it. Default
    /// 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handshake_timeout = timeout;
        self
    }

    /// The most bytes that the head of a request may have when [`serve`](Router::serve) reads it;
    /// a larger one gets 431. Default 16 KiB.
    pub fn max_header_size(mut self, bytes: usize) -> Self {
        self.settings.max_header_size = bytes;
        self
    }

    /// How long connections get to end when the server shuts down. Default 10 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }
}

impl Router {
    /// Ends all connections of this router and its clones with 1001, and waits for them, at most
    /// as long as [`shutdown_timeout`](Router::shutdown_timeout) says. Messages that were accepted
    /// are still handled; handshakes get 503 from now on. For a router inside another server;
    /// [`serve_with_shutdown`](Router::serve_with_shutdown) does it by itself.
    pub async fn shutdown(&self) {
        let timeout = self.settings.shutdown_timeout;
        self.connections.shut_down(now() + timeout);
        if tokio::time::timeout(timeout, self.connections.ended()).await.is_err() {
            tracing::warn!("connections are still open after the shutdown timeout");
        }
    }

    /// Answers a request.
    pub(crate) fn respond(&self, request: Request<Body>) -> ResponseFuture {
        let Ok(matched) = self.paths.at(request.uri().path()) else {
            return match &self.fallback {
                Some(fallback) => fallback(request),
                None => Box::pin(async { (StatusCode::NOT_FOUND, "nothing at this path\n").into_response() }),
            };
        };
        let endpoint = Arc::clone(&self.endpoints[*matched.value]);
        let params = PathParams::new(&matched.params);
        let shared = Shared { settings: self.settings.clone(), connections: Arc::clone(&self.connections) };
        let (mut parts, _) = request.into_parts();
        parts.extensions.insert(params);
        Box::pin(async move { endpoint.upgrade(parts, &(), shared).await })
    }
}

/// A router that lacks no state: `Router<()>`.
#[diagnostic::on_unimplemented(
    message = "the state of this `{Self}` is missing",
    label = "a handler extracts it with `State<…>`: `.with_state(…)` comes before this",
    note = "`.with_state(…)` makes a `Router<()>`, which can be served"
)]
pub trait Complete {
    /// The router, ready to be served.
    fn complete(self) -> Router;
}

impl Complete for Router {
    fn complete(self) -> Router {
        self
    }
}

impl<B> Service<Request<B>> for Router
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.respond(request.map(Body::new));
        Box::pin(async move { Ok(response.await) })
    }
}

impl<S: Send + Sync + 'static> Default for Router<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            paths: self.paths.clone(),
            endpoints: self.endpoints.clone(),
            fallback: self.fallback.clone(),
            settings: self.settings.clone(),
            connections: Arc::clone(&self.connections),
        }
    }
}

impl<S> std::fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("handlers", &self.endpoints.len()).finish_non_exhaustive()
    }
}
