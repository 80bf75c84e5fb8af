//! An endpoint that has the state of its router.

use std::sync::Arc;

use axum_core::body::Body;
use axum_core::response::Response;
use hyper::Request;
use hyper::http::request::Parts;

use super::endpoint::{AcceptFuture, Endpoint, HttpFuture, PlainHandshake, RouterContext};
use super::pending_connection::AcceptedHandshake;
#[cfg(feature = "contract")]
use crate::contract_model::HandlerContract;

/// An endpoint of a router with state `S`, bound to that state.
pub(super) struct WithState<S> {
    endpoint: Arc<dyn Endpoint<S>>,
    state: Arc<S>,
}

impl<S> WithState<S> {
    pub(super) fn new(endpoint: Arc<dyn Endpoint<S>>, state: Arc<S>) -> Self {
        Self { endpoint, state }
    }
}

impl<S: Send + Sync> Endpoint<()> for WithState<S> {
    fn accept_plain(
        &self,
        plain: &PlainHandshake<'_>,
        context: RouterContext<'_>,
    ) -> Option<Result<AcceptedHandshake, Response>> {
        self.endpoint.accept_plain(plain, context)
    }

    fn accept<'a>(
        &'a self,
        parts: &'a mut Parts,
        (): &'a (),
        context: RouterContext<'a>,
    ) -> AcceptFuture<'a> {
        self.endpoint.accept(parts, &self.state, context)
    }

    fn serves(&self, request: &Request<Body>) -> bool {
        self.endpoint.serves(request)
    }

    fn call<'a>(&'a self, request: Request<Body>, (): &'a (), context: RouterContext<'a>) -> HttpFuture<'a> {
        self.endpoint.call(request, &self.state, context)
    }

    #[cfg(feature = "contract")]
    fn describe(&self) -> Option<HandlerContract> {
        self.endpoint.describe()
    }
}
