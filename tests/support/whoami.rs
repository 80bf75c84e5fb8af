//! Services and a handler that answer with what extractors find of the client: axum's `ConnectInfo`, `PeerAddr`
//! and `IsTls`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context as TaskContext, Poll};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::routing::get;
use tower_service::Service;
use ws_core::IsTls;
use ws_core::prelude::*;

/// Returns the expected answer.
pub fn answer(client: SocketAddr, is_tls: bool) -> String {
    format!("{client} {client} {is_tls}")
}

/// Returns an axum app with a page at `/whoami`.
pub fn app() -> axum::Router {
    axum::Router::new().route("/whoami", get(whoami))
}

async fn whoami(
    ConnectInfo(info): ConnectInfo<SocketAddr>,
    PeerAddr(peer): PeerAddr,
    IsTls(is_tls): IsTls,
) -> String {
    format!("{info} {peer} {is_tls}")
}

/// A service without axum's router.
#[derive(Clone)]
pub struct PlainService;

impl Service<Request<Body>> for PlainService {
    type Response = String;
    type Error = Infallible;
    type Future = Ready<Result<String, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let extensions = request.extensions();
        let info = extensions.get::<ConnectInfo<SocketAddr>>().unwrap().0;
        let is_tls = extensions.get::<IsTls>().is_some_and(|is_tls| is_tls.0);
        ready(Ok(format!("{info} {} {is_tls}", extensions.get::<PeerAddr>().unwrap().0)))
    }
}

/// Handler at `/socket`.
#[websocket(path = "/socket")]
pub struct Whoami(String);

#[websocket]
impl Whoami {
    #[on_upgrade]
    fn make(
        ConnectInfo(info): ConnectInfo<SocketAddr>,
        PeerAddr(peer): PeerAddr,
        IsTls(is_tls): IsTls,
    ) -> Self {
        Self(format!("{info} {peer} {is_tls}"))
    }

    #[on_open]
    fn open(&mut self) -> &str {
        &self.0
    }
}
