//! The way of a request to the handler at its path, or to the fallback.

use std::sync::Arc;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode, Version};

use super::endpoint::{AcceptFuture, Endpoint, PlainHandshake, RouterContext};
use super::path::PathParams;
use super::pending_connection::AcceptedHandshake;
use super::refusal::RefusedRequest;
use super::{PeerAddr, ResponseFuture, Router, pattern};
use crate::transport::PendingUpgrade;
use crate::upgrade::{self, HandshakeRejection};

impl Router {
    /// Calls the handler or the fallback for a request that an HTTP server has parsed.
    pub(crate) fn call_request(&self, mut request: Request<Body>) -> ResponseFuture {
        if let Err(rejection) = self.settings.trusted_proxies.apply(&mut request) {
            let response = self.refuse(&request, rejection);
            return Box::pin(async { response });
        }
        if let Some(response) = self.settings.files.respond(&request) {
            return Box::pin(async { response });
        }
        let (endpoint, params) = match (self.find(request.uri().path()), &self.fallback) {
            (None, Some(fallback)) => return fallback(request),
            (Some((endpoint, params)), _)
                if endpoint.serves(&request) && !upgrade::is_handshake(&request) =>
            {
                return self.call_endpoint(Arc::clone(endpoint), params, request);
            }
            (Some(_), Some(fallback)) if !upgrade::is_handshake(&request) => return fallback(request),
            (Some((endpoint, params)), _) => (Arc::clone(endpoint), params),
            (None, None) => {
                return Box::pin(async { (StatusCode::NOT_FOUND, "not found\n").into_response() });
            }
        };
        let (settings, connections) = (self.settings.clone(), Arc::clone(&self.connections));
        let workers = self.workers.clone();
        #[cfg(feature = "inspect")]
        let fallback = self.fallback.clone();
        let (mut parts, _) = request.into_parts();
        parts.extensions.insert(params);
        Box::pin(async move {
            let pending_upgrade = PendingUpgrade::take_from(&mut parts.extensions);
            let context = RouterContext {
                settings: &settings,
                connections: &connections,
                is_upgradable: pending_upgrade.is_some(),
                #[cfg(feature = "inspect")]
                fallback: fallback.as_ref(),
            };
            match (endpoint.accept(&mut parts, &(), context).await, pending_upgrade) {
                (Ok(accepted), Some(pending_upgrade)) => accepted.upgrade(pending_upgrade, workers),
                (Ok(_), None) => HandshakeRejection::NotUpgradable.into_response(),
                (Err(response), _) => response,
            }
        })
    }

    /// Checks a plain handshake, for a caller that owns the stream. Returns `None` if no handler is mounted
    /// at the path, or if the handler has an `#[on_upgrade]`.
    pub(crate) fn accept_plain(
        &self,
        plain: &PlainHandshake<'_>,
    ) -> Option<Result<AcceptedHandshake, Response>> {
        let path = pattern::normalize(plain.path);
        let matched = self.paths.at(&path).ok()?;
        self.endpoints[*matched.value].accept_plain(plain, self.context())
    }

    /// Checks a handshake and calls `#[on_upgrade]`, for a caller that owns the stream. Returns `None` if no
    /// handler is mounted at the path.
    pub(crate) fn accept<'a>(&'a self, parts: &'a mut Parts) -> Option<AcceptFuture<'a>> {
        let (endpoint, params) = self.find(parts.uri.path())?;
        parts.extensions.insert(params);
        Some(endpoint.accept(parts, &(), self.context()))
    }

    /// Refuses a request before its handler is known.
    fn refuse(&self, request: &Request<Body>, rejection: HandshakeRejection) -> Response {
        let mut response = rejection.into_response();
        if request.version() <= Version::HTTP_11 {
            // What follows the head may be a part of the handshake.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let refused = RefusedRequest {
            handler: std::any::type_name::<Self>(),
            path: request.uri().path(),
            peer: request.extensions().get::<PeerAddr>().map(|peer| peer.0),
            fields: request.headers(),
        };
        self.settings.refusals.log(&refused, &mut response);
        response
    }

    /// Returns the handler at a path, and the path's parameters.
    fn find(&self, path: &str) -> Option<(&Arc<dyn Endpoint<()>>, PathParams)> {
        let path = pattern::normalize(path);
        let matched = self.paths.at(&path).ok()?;
        Some((&self.endpoints[*matched.value], PathParams::new(&matched.params)))
    }

    fn context(&self) -> RouterContext<'_> {
        RouterContext {
            settings: &self.settings,
            connections: &self.connections,
            is_upgradable: true,
            #[cfg(feature = "inspect")]
            fallback: self.fallback.as_ref(),
        }
    }
}
