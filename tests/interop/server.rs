//! Server for `chromium.py`: HTTPS with a page, and an echo that reports the HTTP version. The page reports
//! its observations, which are printed.

use axum::http::Version;
use axum::response::Html;
use axum::routing::{get, post};
use ws_core::prelude::*;
use ws_core::{BoxError, Method};

/// Echo that first sends the method and version of its request, and the address of its connection.
#[websocket(path = "/echo", compress)]
struct Echo(String);

#[websocket]
impl Echo {
    #[on_upgrade]
    fn make(method: Method, version: Version, PeerAddr(peer): PeerAddr) -> Self {
        Self(format!("{method} {version:?} {peer}"))
    }

    #[on_open]
    fn open(&mut self) -> String {
        self.0.clone()
    }

    #[on_text]
    fn text<'a>(&mut self, text: &'a str, cx: &mut Context<Self>) -> Option<&'a str> {
        if text == "close" {
            cx.close((4002, "as you wish"));
            return None;
        }
        Some(text)
    }

    #[on_binary]
    fn binary<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let pages = axum::Router::new()
        .route("/", get(async || Html(include_str!("chromium.html"))))
        .route("/connection", get(async |PeerAddr(peer): PeerAddr| peer.to_string()))
        .route("/result", post(async |result: String| println!("{result}")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let router = Router::new().mount::<Echo>().fallback(pages);
    Ok(router.serve_tls_listener(listener, tests::self_signed()?, std::future::pending()).await?)
}
