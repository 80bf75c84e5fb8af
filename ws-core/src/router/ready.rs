//! The readiness of a server, for the probes of a load balancer.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready as ReadyFuture, ready};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum_core::response::{IntoResponse, Response};
use hyper::{Request, StatusCode};
use tower_service::Service;

use super::Router;
use crate::connections::ConnectionTracker;

/// The readiness of a router for new clients, as a value and as a `tower` service for `/readyz`.
///
/// The service answers 200 until the server begins to shut down, and 503 from then on. A load balancer then sends no
/// new clients, and [`Drain::notice`](crate::Drain::notice) is the time that the server leaves for that.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let router: Router = Router::new().mount::<Chat>();
/// let ready = router.ready();
/// let router = router.fallback(axum::Router::new().route_service("/readyz", ready.clone()));
/// assert!(ready.is_ready());
/// router.shutdown().await;
/// assert!(!ready.is_ready());
/// # }
/// ```
#[derive(Clone)]
pub struct Readiness(Arc<ConnectionTracker>);

impl<S: Send + Sync + 'static> Router<S> {
    /// Returns the readiness of this router for new clients, as a value and as a service. Its clones have the same
    /// state. A router inside another server is ready until its [`shutdown`](Self::shutdown).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// let router: Router = Router::new();
    /// assert!(router.ready().is_ready());
    /// ```
    pub fn ready(&self) -> Readiness {
        Readiness(Arc::clone(&self.connections))
    }
}

impl Readiness {
    /// Returns false from the moment at which a shutdown begins.
    pub fn is_ready(&self) -> bool {
        !self.0.is_leaving()
    }
}

impl<B> Service<Request<B>> for Readiness {
    type Response = Response;
    type Error = Infallible;
    type Future = ReadyFuture<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let response = if self.is_ready() {
            "ready\n".into_response()
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response()
        };
        ready(Ok(response))
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("is_ready", &self.is_ready()).finish()
    }
}
