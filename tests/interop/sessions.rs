//! Server for `sessions.py` and for the tests of `clients/js`: an echo with a session, and its page. The first argument is
//! the address to listen on. `resume` is short, so that a test can wait for its end.

use axum::response::Html;
use axum::routing::get;
use ws_core::prelude::*;

/// Echo of texts and bytes.
#[websocket(path = "/echo", session(resume = 5s), max_message_size = 1MiB)]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
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
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let pages = axum::Router::new().route("/", get(async || Html(include_str!("sessions.html"))));
    Router::new().mount::<Echo>().client_script("/ws-core.js").fallback(pages).serve(addr).await
}
