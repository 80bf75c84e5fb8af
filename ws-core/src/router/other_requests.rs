//! Requests other than handshakes: which handlers serve them, and as which protocol.

use std::sync::Arc;

use axum_core::body::Body;
use hyper::Request;

use super::endpoint::{Endpoint, HttpFuture, Mount, RouterContext, reject};
use super::path::PathParams;
#[cfg(feature = "session")]
use super::session_http;
use super::{ResponseFuture, Router};
use crate::handler::{Handler, OnUpgrade};
use crate::upgrade::HandshakeRejection;

impl Router {
    /// Calls a handler that serves requests other than handshakes.
    pub(super) fn call_endpoint(
        &self,
        endpoint: Arc<dyn Endpoint<()>>,
        params: PathParams,
        mut request: Request<Body>,
    ) -> ResponseFuture {
        let (settings, connections) = (self.settings.clone(), Arc::clone(&self.connections));
        #[cfg(feature = "inspect")]
        let fallback = self.fallback.clone();
        request.extensions_mut().insert(params);
        Box::pin(async move {
            let context = RouterContext {
                settings: &settings,
                connections: &connections,
                is_upgradable: true,
                #[cfg(feature = "inspect")]
                fallback: fallback.as_ref(),
            };
            endpoint.call(request, &(), context).await
        })
    }
}

impl<H: Handler> Mount<H> {
    const HAS_BULLET: bool = H::CHECKED_DECLARATION.options.bullet;
    #[cfg(feature = "session")]
    const HAS_SESSIONS: bool = H::CHECKED_DECLARATION.options.session.is_some();

    /// Returns whether the handler serves a request.
    pub(super) fn takes(request: &Request<Body>) -> bool {
        #[cfg(feature = "session")]
        if Self::HAS_SESSIONS && session_http::takes(request.method(), request.headers(), Self::HAS_BULLET) {
            return true;
        }
        let _ = request;
        Self::HAS_BULLET
    }

    /// Responds to a request that the handler serves. The conditions are constant, so that handlers without the
    /// options contain no code for them.
    pub(super) fn respond<'a, S>(
        &'a self,
        request: Request<Body>,
        state: &'a S,
        context: RouterContext<'a>,
    ) -> HttpFuture<'a>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        #[cfg(feature = "session")]
        if const { Self::HAS_SESSIONS }
            && session_http::takes(request.method(), request.headers(), Self::HAS_BULLET)
        {
            return Box::pin(self.call_session(request, state, context));
        }
        if const { Self::HAS_BULLET } {
            return Box::pin(self.call_bullet(request, state, context));
        }
        Box::pin(async { reject(HandshakeRejection::NoUpgrade) })
    }
}
