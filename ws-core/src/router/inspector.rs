//! The endpoint of an inspector: its page and its socket at one path.

use std::any::type_name;
use std::net::SocketAddr;
use std::sync::Arc;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};

use super::endpoint::{
    AcceptFuture, Endpoint, HttpFuture, Mount, PlainHandshake, RouterContext, catch_panic, reject,
};
use super::pending_connection::AcceptedHandshake;
use super::refusal::RefusedRequest;
use super::{Connections, PeerAddr, Router, Settings};
use crate::connections::ConnectionLimits;
#[cfg(feature = "contract")]
use crate::contract_model::HandlerContract;
use crate::inspect::{
    Access, Inspector, InspectorShared, InspectorSocket, PAGE, POLICY, Permission, check_local,
};
use crate::upgrade::HandshakeRejection;

impl<S: Send + Sync + 'static> Router<S> {
    /// Serves an inspector at a path, which is mostly `/_ws`: a page that shows the endpoints, the connections, their
    /// rates and tags, the topics of hubs with their subscribers and members, and that closes connections. The chapter
    /// about the [inspector](crate::guide::inspector) describes it.
    ///
    /// The second argument says who may open the page: [`Inspector::local`] admits clients of this machine only, a
    /// [guard](crate::inspect::Guard) decides for each request. Others get 404 or the response of the
    /// [`fallback`](Self::fallback), as for an unknown path, and the log has the reason.
    ///
    /// While no page is open, the inspector costs nothing. While one is open, all connections report their figures once a
    /// second, and more rarely above 20,000 connections. A page gets at most 200 rows at a time. Up to eight pages may be
    /// open. They do not count against the limits of connections, so that a full server can be inspected.
    ///
    /// The page is one file without links to other servers. Its `Content-Security-Policy` allows no script and no style
    /// but its own two, and connections to its own server only. Texts of clients are shown as texts, never as HTML. The
    /// socket accepts pages of the same host only. The path comes before the parameters of handlers. The page also works
    /// where the router is nested in another server, below a prefix.
    ///
    /// # Panics
    ///
    /// Panics if the path does not start with `/`, has a query or parameters, or is that of a handler.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// use ws_core::inspect::Inspector;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router = Router::new().mount::<Chat>().inspect("/_ws", Inspector::local());
    /// # let mut router: Router = router;
    /// # let mut request = hyper::Request::get("/_ws").header("host", "localhost:8080").body(String::new()).unwrap();
    /// # request.extensions_mut().insert(ws_core::PeerAddr("127.0.0.1:5000".parse().unwrap()));
    /// # let page = tower_service::Service::call(&mut router, request).await.unwrap();
    /// assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    /// # let request = hyper::Request::get("/_ws").header("host", "localhost:8080").body(String::new()).unwrap();
    /// # let refused = tower_service::Service::call(&mut router, request).await.unwrap();
    /// # assert_eq!(refused.status(), 404);
    /// # }
    /// ```
    #[track_caller]
    pub fn inspect(mut self, path: &str, inspector: impl Into<Inspector>) -> Self {
        assert!(
            path.starts_with('/') && !path.contains(['?', '#', '{']),
            "cannot serve the inspector at {path:?}: its path starts with `/` and has no parameters"
        );
        if let Err(why) = self.paths.insert(path, self.endpoints.len()) {
            panic!("cannot serve the inspector at {path:?}: {why}");
        }
        let endpoint = InspectorEndpoint::new(path, inspector.into(), &self);
        self.endpoints.push(Arc::new(endpoint));
        self
    }
}

struct InspectorEndpoint {
    mount: Mount<InspectorSocket>,
    inspector: Inspector,
    shared: Arc<InspectorShared>,
}

impl InspectorEndpoint {
    fn new<S: Send + Sync + 'static>(path: &str, inspector: Inspector, router: &Router<S>) -> Self {
        let connections: Connections = router.connections();
        let shared = InspectorShared::new(inspector.clone(), connections, Arc::clone(&router.connections));
        Self { mount: Mount::new(path), inspector, shared }
    }

    /// Returns what a request may do. A refusal is logged.
    async fn permission(&self, parts: &Parts, settings: &Settings) -> Permission {
        let reason = match &self.inspector.guard {
            None => match check_local(parts) {
                // The client is unknown: the header of the proxy has no address.
                #[cfg(feature = "proxy-protocol")]
                Ok(()) if settings.proxy_protocol.contains_peer(peer_of(parts)) => {
                    "an inspector without a guard does not serve the address of a proxy"
                }
                Ok(()) => return Permission::Act,
                Err(reason) => reason,
            },
            Some(guard) => {
                let permission = catch_panic(guard(parts));
                match tokio::time::timeout(settings.handshake_timeout, permission).await {
                    Ok(Ok(Permission::Deny)) => "the guard of the inspector denies the request",
                    Ok(Ok(permission)) => return permission,
                    Ok(Err(_)) => "the guard of the inspector panicked",
                    Err(_) => "the guard of the inspector took longer than `handshake_timeout`",
                }
            }
        };
        let request = RefusedRequest {
            handler: type_name::<InspectorSocket>(),
            path: parts.uri.path(),
            peer: peer_of(parts),
            fields: &parts.headers,
        };
        settings.refusals.log(&request, &mut reject(HandshakeRejection::Inspector(reason)));
        Permission::Deny
    }
}

fn peer_of(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get::<PeerAddr>().map(|peer| peer.0)
}

/// Responds like the router to a path without a handler.
async fn unknown_path(parts: Parts, body: Body, context: RouterContext<'_>) -> Response {
    match context.fallback {
        Some(fallback) => fallback(Request::from_parts(parts, body)).await,
        None => (StatusCode::NOT_FOUND, "not found\n").into_response(),
    }
}

impl<S: Send + Sync> Endpoint<S> for InspectorEndpoint {
    fn accept_plain(
        &self,
        _: &PlainHandshake<'_>,
        _: RouterContext<'_>,
    ) -> Option<Result<AcceptedHandshake, Response>> {
        // The permission depends on the whole request.
        None
    }

    fn accept<'a>(&'a self, parts: &'a mut Parts, _: &'a S, context: RouterContext<'a>) -> AcceptFuture<'a> {
        Box::pin(async move {
            let permission = self.permission(parts, context.settings).await;
            if permission == Permission::Deny {
                return Err(unknown_path(parts.clone(), Body::empty(), context).await);
            }
            parts.extensions.insert(Access {
                shared: Arc::clone(&self.shared),
                permission,
                handlers: Arc::clone(&context.settings.mounted),
            });
            // Pages have a limit of their own, so that a full server can be inspected.
            let settings =
                Settings { connections: ConnectionLimits::new(usize::MAX), ..context.settings.clone() };
            let context = RouterContext { settings: &settings, ..context };
            Endpoint::<()>::accept(&self.mount, parts, &(), context).await
        })
    }

    fn serves(&self, _: &Request<Body>) -> bool {
        true
    }

    fn call<'a>(&'a self, request: Request<Body>, _: &'a S, context: RouterContext<'a>) -> HttpFuture<'a> {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            match (self.permission(&parts, context.settings).await, &parts.method) {
                (Permission::Deny, _) => unknown_path(parts, body, context).await,
                (_, &Method::GET | &Method::HEAD) => page(),
                _ => (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response(),
            }
        })
    }

    #[cfg(feature = "contract")]
    fn describe(&self) -> Option<HandlerContract> {
        None
    }
}

fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        // Who may see the page depends on the request, so nothing between may store it.
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, PAGE).into_response()
}
