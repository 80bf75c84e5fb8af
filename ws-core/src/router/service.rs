//! The router as a `tower` service, once it has its state.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use axum_core::body::Body;
use axum_core::response::Response;
use bytes::Bytes;
use hyper::Request;
use tower_service::Service;

use super::Router;
use crate::error::BoxError;

/// A router that has its state: `Router<()>`.
#[diagnostic::on_unimplemented(
    message = "the state of this `{Self}` is missing",
    label = "a handler extracts it with `State<…>`: call `.with_state(…)` before this, after the mounts",
    note = "`.with_state(…)` returns a `Router<()>`, which can be served"
)]
pub trait ReadyRouter {
    /// Returns the router, which can be served.
    fn complete(self) -> Router;

    /// Like [`complete`](Self::complete), by reference.
    fn as_complete(&self) -> &Router;
}

impl ReadyRouter for Router {
    fn complete(self) -> Router {
        self
    }

    fn as_complete(&self) -> &Router {
        self
    }
}

impl<B, S> Service<Request<B>> for Router<S>
where
    Self: ReadyRouter,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.as_complete().call_request(request.map(Body::new));
        Box::pin(async move { Ok(response.await) })
    }
}
