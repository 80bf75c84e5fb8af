//! Handshake requests in memory.

use std::any::type_name;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;

use axum_core::body::Body;
use axum_core::response::IntoResponse;
use bytes::{Bytes, BytesMut};
use hyper::body::Body as _;
use hyper::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{HeaderMap, Request, StatusCode, http};

use tokio::io::duplex;
use tower_service::Service;

use super::client_io::DUPLEX_SIZE;
use super::{TestClient, clock};
use crate::address::Addr;
use crate::handler::{Handler, OnUpgrade};
use crate::router::{PeerAddr, prepare};
use crate::transport::memory::{MemoryStream, MemoryUpgradeSlot, StartedInMemory};
use crate::upgrade::IsTls;

/// A builder of a handshake request.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[derive(Clone)] struct Open(bool);
/// # #[websocket(path = "/rooms/{room}")] struct Guest(String);
/// # #[websocket] impl Guest {
/// #     #[on_upgrade]
/// #     fn join(Path(room): Path<String>, State(open): State<Open>) -> Result<Self, StatusCode> {
/// #         if open.0 { Ok(Self(room)) } else { Err(StatusCode::LOCKED) }
/// #     }
/// #     #[on_open] fn open(&mut self) -> String { self.0.clone() }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let request = TestClient::<Guest>::upgrade("/rooms/lobby").header("origin", "http://localhost");
/// let mut client = request.state(Open(true)).open().await.unwrap();
/// assert_eq!(client.text().await, "lobby");
/// # }
/// ```
#[derive(Debug)]
pub struct TestUpgrade<H, S = ()> {
    request: http::request::Builder,
    pattern: String,
    state: S,
    handler: std::marker::PhantomData<fn() -> H>,
}

/// The response to a rejected handshake.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(path = "/")] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat { #[on_open] fn open(&mut self) {} }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let request = TestClient::<Chat>::upgrade("/").header("origin", "https://elsewhere.example");
/// let refused = request.open().await.unwrap_err();
/// assert_eq!(refused.status, StatusCode::FORBIDDEN);
/// assert_eq!(refused.headers["content-type"], "text/plain; charset=utf-8");
/// assert_eq!(refused.body, "pages of this origin may not connect\n");
/// # }
/// ```
#[derive(Debug)]
pub struct Rejection {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl<H: Handler> TestUpgrade<H> {
    pub(super) fn new(uri: &str, pattern: &str) -> Self {
        let request = Request::get(uri)
            .header(HOST, "localhost")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        Self { request, pattern: pattern.to_owned(), state: (), handler: std::marker::PhantomData }
    }

    /// Sets the state that [`Router::with_state`](crate::Router::with_state) supplies on a server.
    pub fn state<S>(self, state: S) -> TestUpgrade<H, S> {
        TestUpgrade { request: self.request, pattern: self.pattern, state, handler: self.handler }
    }
}

/// A boxed future without further type parameters. With `impl Future`, the compiler would report a missing
/// bound of an extractor again for each use of the future.
type OpenFuture<H> = Pin<Box<dyn Future<Output = Result<TestClient<H>, Rejection>> + Send>>;

impl<H: Handler, S: Send + Sync + 'static> TestUpgrade<H, S> {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Sets the client's address. Without a call the client has none. The extractors are [`PeerAddr`] and,
    /// with the feature `axum`, axum's `ConnectInfo<SocketAddr>`.
    pub fn peer_addr(mut self, addr: SocketAddr) -> Self {
        // A builder with an invalid header has no extensions; `open` reports the header.
        if let Some(extensions) = self.request.extensions_mut() {
            PeerAddr(addr).insert_into(extensions);
        }
        self
    }

    /// Marks the request as one inside TLS, for the extractor [`IsTls`].
    pub fn tls(self) -> Self {
        self.extension(IsTls(true))
    }

    /// Adds an extension to the request, as a middleware of the server does. axum's `Extension<T>` extracts
    /// the value.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// use axum::Extension;
    ///
    /// #[derive(Clone)]
    /// struct User(&'static str);
    ///
    /// # #[websocket(path = "/")] struct Chat(User);
    /// #[websocket]
    /// impl Chat {
    ///     #[on_upgrade]
    ///     fn join(Extension(user): Extension<User>) -> Self {
    ///         Self(user)
    ///     }
    ///     #[on_open]
    ///     fn open(&mut self) -> &'static str {
    ///         self.0.0
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let request = TestClient::<Chat>::upgrade("/").extension(User("alice"));
    /// assert_eq!(request.open().await.unwrap().text().await, "alice");
    /// # }
    /// ```
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.request = self.request.extension(value);
        self
    }

    /// Sends the request. A 101 opens the connection.
    ///
    /// # Errors
    ///
    /// Any response other than a 101.
    ///
    /// # Panics
    ///
    /// If the URI or a header is invalid, or if the path does not match the handler's.
    #[track_caller]
    pub fn open(self) -> OpenFuture<H>
    where
        H::Upgrade: OnUpgrade<H, S>,
    {
        let caller = Location::caller();
        Box::pin(async move {
            let request = self.request.body(()).unwrap_or_else(|error| panic!("{caller}: {error}"));
            let (parts, ()) = request.into_parts();
            check_path(&self.pattern, parts.uri.path(), caller);
            clock::pause().await;
            match prepare::<H, S>(parts, &self.pattern, &self.state).await {
                Ok(((handler, cx), headers)) => Ok(TestClient::start(handler, cx, headers).await),
                Err(response) => {
                    let (parts, body) = response.into_parts();
                    Err(Rejection {
                        status: parts.status,
                        headers: parts.headers,
                        body: read_body(body).await,
                    })
                }
            }
        })
    }
}

impl<H: Handler> TestUpgrade<H> {
    /// Sends the request through a router, or through any `tower` service that a router is a part of, for
    /// example an axum app with middleware. The path, the state, the limits and the fallback are the
    /// service's. A 101 opens the connection.
    ///
    /// The connection is one of the router's: [`Router::shutdown`](crate::Router::shutdown) of a clone ends
    /// it. It runs on the runtime of the test, also if the router has
    /// [`workers`](crate::Router::workers).
    ///
    /// # Errors
    ///
    /// Any response other than a 101, for example a page of the fallback.
    ///
    /// # Panics
    ///
    /// If the URI or a header is invalid, or if another handler than `H` accepts the request.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket(path = "/rooms/{room}")] struct Guest(String);
    /// # #[websocket] impl Guest {
    /// #     #[on_upgrade]
    /// #     fn join(Path(room): Path<String>, State(motd): State<&'static str>) -> Self {
    /// #         Self(format!("{motd} in {room}"))
    /// #     }
    /// #     #[on_open] fn open(&mut self) -> String { self.0.clone() }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router = Router::new().mount::<Guest>().with_state("hello");
    /// let app = axum::Router::new().nest_service("/live", router.clone());
    ///
    /// let request = TestClient::<Guest>::upgrade("/live/rooms/lobby");
    /// let mut client = request.open_through(app).await.unwrap();
    /// assert_eq!(client.text().await, "hello in lobby");
    ///
    /// let request = TestClient::<Guest>::upgrade("/elsewhere");
    /// assert_eq!(request.open_through(router).await.unwrap_err().status, StatusCode::NOT_FOUND);
    /// # }
    /// ```
    #[track_caller]
    pub fn open_through<T>(self, mut service: T) -> OpenFuture<H>
    where
        T: Service<Request<Body>, Error = Infallible> + Send + 'static,
        T::Response: IntoResponse,
        T::Future: Send,
    {
        let caller = Location::caller();
        Box::pin(async move {
            let request = self.request.body(Body::empty());
            let mut request = request.unwrap_or_else(|error| panic!("{caller}: {error}"));
            // The test client supports no extension.
            request.headers_mut().remove(SEC_WEBSOCKET_EXTENSIONS);
            let (upgrade, upgrade_slot) = MemoryUpgradeSlot::new();
            request.extensions_mut().insert(upgrade_slot);
            clock::pause().await;
            let Ok(()) = poll_fn(|task| service.poll_ready(task)).await;
            let Ok(response) = service.call(request).await;
            let (parts, body) = response.into_response().into_parts();
            if parts.status != StatusCode::SWITCHING_PROTOCOLS {
                let (status, headers) = (parts.status, parts.headers);
                return Err(Rejection { status, headers, body: read_body(body).await });
            }
            let (client, server) = duplex(DUPLEX_SIZE);
            let (stream, started) = MemoryStream::new(server);
            let _ = upgrade.send(stream);
            let Ok(started) = started.await else {
                panic!("{caller}: the 101 is not from a router of ws-core")
            };
            let StartedInMemory { addr, handler, ping_interval, task } = started;
            let Ok(addr) = addr.downcast::<Addr<H>>() else {
                panic!("{caller}: the handler of the request is `{handler}`, not `{}`", type_name::<H>())
            };
            Ok(TestClient::connected(client, ping_interval, parts.headers, (*addr, task)).await)
        })
    }
}

/// Panics if the path does not match the pattern. A router never passes such a request to the handler, so
/// the test is wrong.
fn check_path(pattern: &str, path: &str, caller: &Location<'_>) {
    let mut paths = matchit::Router::new();
    if let Err(error) = paths.insert(pattern, ()) {
        panic!("{caller}: cannot mount a handler at {pattern:?}: {error}");
    }
    let matches = paths.at(path).is_ok();
    assert!(matches, "{caller}: {path:?} does not match {pattern:?}, the path of the handler");
}

/// Reads a body up to its end or its first error.
async fn read_body(mut body: Body) -> Bytes {
    let mut bytes = BytesMut::new();
    while let Some(Ok(frame)) = poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes.freeze()
}
