//! The router: handlers mounted at paths, as a `tower` service.

mod accepts;
mod bullet;
mod client_script;
mod connections;
#[cfg(feature = "contract")]
mod describe;
mod dispatch;
mod drain;
mod endpoint;
mod extract;
#[cfg(feature = "inspect")]
mod inspector;
mod limits;
mod other_requests;
mod path;
mod pattern;
mod pending_connection;
mod ready;
mod refusal;
mod service;
#[cfg(feature = "session")]
mod session;
#[cfg(feature = "session")]
mod session_http;
#[cfg(feature = "session")]
mod session_offer;
mod static_files;
mod with_state;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::Request;
use tower_service::Service;

pub use connections::{ConnectionSnapshot, ConnectionState, Connections, TaggedConnections};
pub use drain::Drain;
#[cfg(feature = "test-util")]
pub(crate) use endpoint::prepare;
use endpoint::{Endpoint, Mount};
pub(crate) use endpoint::{HandshakeDeadline, PlainHandshake};
pub(crate) use extract::PathExtractor;
pub use extract::{Path, PeerAddr, Query, State, Subprotocols};
pub(crate) use limits::{Settings, UnixPeer};
#[cfg(all(any(test, fuzzing), feature = "deflate"))]
pub use path::parameters;
pub(crate) use pending_connection::{AcceptedHandshake, StartConnection};
pub use ready::Readiness;
pub(crate) use service::ReadyRouter;
#[cfg(feature = "contract")]
pub(crate) use static_files::StaticFile;
use with_state::WithState;

use crate::connections::ConnectionTracker;
use crate::handler::{Handler, Mounted, OnUpgrade};
#[cfg(feature = "inspect")]
use crate::inspect::MountedHandler;
use crate::worker::Workers;

/// Handlers mounted at paths, and the limits of their server.
///
/// [`serve`](Router::serve) serves a router. A router is also a `tower` service, so that it can be a part
/// of another server, for example of an axum app.
///
/// | request | response |
/// |---|---|
/// | a handshake for a mounted path | 101, or the error response of `#[on_upgrade]` |
/// | unknown path | the [`fallback`](Router::fallback), or 404 |
/// | mounted path, but no handshake | with the option `bullet`: [server-sent events, polling, POST](crate::guide::fallbacks); otherwise the `fallback` if there is one |
/// | other method than GET | 405 with `Allow: GET` |
/// | no upgrade, or an unknown version | 426 with `Upgrade: websocket` and `Sec-WebSocket-Version: 13, 8, 7` |
/// | missing or malformed key, malformed extensions | 400 |
/// | contradictory headers of a [trusted proxy](Router::trusted_proxies) | 400 |
/// | foreign `Origin` | 403 |
/// | above [`max_connections`](Router::max_connections) | 503 |
///
/// With the feature `http2`, over HTTP/2:
///
/// | request | response |
/// |---|---|
/// | CONNECT with `:protocol` `websocket` | 200, or the error response of `#[on_upgrade]` |
/// | another `:protocol` | 501 |
/// | other method than CONNECT | 405 with `Allow: CONNECT` |
/// | unknown version | 426 with `Sec-WebSocket-Version: 13, 8, 7` |
/// | any other case | like over HTTP/1.1 |
///
/// `S` is the state that the router still lacks: handlers extract it with [`State`] in `#[on_upgrade]`, and
/// [`with_state`](Router::with_state) supplies it.
/// The guide has a chapter about [mounting](crate::guide::mounting).
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
/// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
/// use hyper::Request;
/// use tower_service::Service;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut router = Router::new().mount::<Echo>();
/// let get = |path| Request::get(path).body(String::new()).unwrap();
/// // Neither request is one for an upgrade.
/// assert_eq!(router.call(get("/echo")).await.unwrap().status(), StatusCode::UPGRADE_REQUIRED);
/// assert_eq!(router.call(get("/other")).await.unwrap().status(), StatusCode::NOT_FOUND);
/// # }
/// ```
pub struct Router<S = ()> {
    paths: matchit::Router<usize>,
    endpoints: Vec<Arc<dyn Endpoint<S>>>,
    fallback: Option<Fallback>,
    pub(crate) settings: Settings,
    pub(crate) connections: Arc<ConnectionTracker>,
    /// The threads that run connections, if [`workers`](Self::workers) started any.
    pub(crate) workers: Option<Arc<Workers>>,
}

type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;
type Fallback = Arc<dyn Fn(Request<Body>) -> ResponseFuture + Send + Sync>;

impl<S: Send + Sync + 'static> Router<S> {
    /// Creates a router without any handler.
    pub fn new() -> Self {
        Self {
            paths: matchit::Router::new(),
            endpoints: Vec::new(),
            fallback: None,
            settings: Settings::default(),
            connections: Arc::default(),
            workers: None,
        }
    }

    /// Mounts a handler at the path of its declaration.
    ///
    /// # Panics
    ///
    /// Panics if another handler has a path that matches the same requests.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # async fn get(router: &ws_core::Router, path: &str) -> u16 {
    /// #     let request = hyper::Request::get(path).body(String::new()).unwrap();
    /// #     tower_service::Service::call(&mut router.clone(), request).await.unwrap().status().as_u16()
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router = Router::new().mount::<Echo>(); // `#[websocket(path = "/echo")]`
    /// # let router: Router = router;
    /// assert_eq!(get(&router, "/echo").await, 426); // The path exists, but the request is not a handshake.
    /// # }
    /// ```
    #[track_caller]
    pub fn mount<H: Mounted + Handler<Upgrade: OnUpgrade<H, S>>>(self) -> Self {
        self.mount_at::<H>(H::CHECKED_DECLARATION.path)
    }

    /// Mounts a handler at a path. In `/chat/{room}` the parameter matches one segment, in `/files/{*path}`
    /// it matches all remaining segments.
    ///
    /// # Panics
    ///
    /// Panics if the path is malformed, or if another handler has a path that matches the same requests. The
    /// rules are those of the option `path`. Panics after `docs` of the feature `contract`.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # async fn get(router: &ws_core::Router, path: &str) -> u16 {
    /// #     let request = hyper::Request::get(path).body(String::new()).unwrap();
    /// #     tower_service::Service::call(&mut router.clone(), request).await.unwrap().status().as_u16()
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router = Router::new().mount_at::<Echo>("/v1/echo").mount_at::<Echo>("/v2/echo");
    /// # let router: Router = router;
    /// assert_eq!((get(&router, "/v2/echo").await, get(&router, "/echo").await), (426, 404));
    /// # }
    /// ```
    #[track_caller]
    pub fn mount_at<H: Handler<Upgrade: OnUpgrade<H, S>>>(mut self, path: &str) -> Self {
        #[cfg(feature = "contract")]
        assert!(
            !self.settings.is_documented,
            "cannot mount a handler at {path:?}: mount handlers before `docs`, which describes them"
        );
        let pattern = pattern::parse(path);
        let insert =
            |pattern| self.paths.insert(pattern, self.endpoints.len()).map_err(|why| why.to_string());
        if let Err(why) = pattern.and_then(insert) {
            panic!("cannot mount a handler at {path:?}: {why}");
        }
        self.endpoints.push(Arc::new(Mount::<H>::new(path)));
        self.settings.has_sync_handlers |= !H::ASYNC;
        #[cfg(feature = "inspect")]
        Arc::make_mut(&mut self.settings.mounted).push(MountedHandler::new::<H>(path));
        self
    }

    /// Supplies the state, from which handlers extract parts with [`State`] in `#[on_upgrade]`. Mount the
    /// handlers first.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// #[derive(Clone)]
    /// struct Motd(&'static str);
    ///
    /// #[websocket(path = "/")]
    /// struct Greeter(&'static str);
    ///
    /// #[websocket]
    /// impl Greeter {
    ///     #[on_upgrade]
    ///     fn make(State(Motd(text)): State<Motd>) -> Self {
    ///         Self(text)
    ///     }
    /// }
    /// let router: Router = Router::new().mount::<Greeter>().with_state(Motd("hello"));
    /// ```
    pub fn with_state(self, state: S) -> Router {
        let state = Arc::new(state);
        let bind = |endpoint| Arc::new(WithState::new(endpoint, Arc::clone(&state))) as Arc<dyn Endpoint<()>>;
        Router {
            paths: self.paths,
            endpoints: self.endpoints.into_iter().map(bind).collect(),
            fallback: self.fallback,
            settings: self.settings,
            connections: self.connections,
            workers: self.workers,
        }
    }

    /// Sets the service for requests to other paths, and for requests to mounted paths that are no handshake:
    /// a page or a health check can have the path of a handler, unless the handler has the option `bullet`. Any
    /// `tower` service works, for example an axum app. Without a fallback, such requests get 404 or 426.
    ///
    /// A request with `Upgrade: websocket` or one of the headers `Sec-WebSocket-Key` and
    /// `Sec-WebSocket-Version` is a handshake, even if it is incomplete. A proxy that is not configured for
    /// WebSockets removes `Upgrade` only, so its client gets 426.
    ///
    /// The requests have the extensions [`PeerAddr`], and [`IsTls`](crate::IsTls) inside TLS, which are also
    /// extractors. With the feature `axum` they have axum's `ConnectInfo<SocketAddr>` as well; without it, that
    /// extractor answers with 500.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # async fn get(router: &ws_core::Router, path: &str) -> u16 {
    /// #     let request = hyper::Request::get(path).body(String::new()).unwrap();
    /// #     tower_service::Service::call(&mut router.clone(), request).await.unwrap().status().as_u16()
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let hello = axum::routing::get(async || "hello");
    /// let pages = axum::Router::new().route("/", hello.clone()).route("/echo", hello);
    /// let router = Router::new().mount::<Echo>().fallback(pages);
    /// # let router: Router = router;
    /// assert_eq!((get(&router, "/").await, get(&router, "/other").await), (200, 404));
    /// assert_eq!(get(&router, "/echo").await, 200); // The page; a handshake would get a 101.
    /// # }
    /// ```
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
            workers: self.workers.clone(),
        }
    }
}

impl<S> std::fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("handlers", &self.endpoints.len()).finish_non_exhaustive()
    }
}
