//! The handler of Cowboy's guide, and a page that talks to it.
//!
//! Run it with `cargo run --example hello` and open <http://127.0.0.1:8080>, or talk to
//! `ws://127.0.0.1:8080/websocket` with any client. Another address is its first argument:
//! `cargo run --example hello -- 127.0.0.1:9001`.

use axum::response::Html;
use axum::routing::get;
use ws_core::prelude::*;

#[websocket(path = "/websocket")]
#[derive(Default)]
struct MyHandler;

struct Say(&'static str);

#[websocket]
impl MyHandler {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.send_after(Duration::from_secs(1), Say("Hello!"));
    }

    #[on_text]
    fn echo(&mut self, text: &str) -> String {
        format!("That's what she said! {text}")
    }

    #[on_info]
    fn say(&mut self, Say(what): Say, cx: &mut Context<Self>) -> &'static str {
        cx.send_after(Duration::from_secs(1), Say("How' you doin'?"));
        what
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    println!("listening on http://{addr}, WebSocket at ws://{addr}/websocket");
    let page = axum::Router::new().route("/", get(async || Html(include_str!("hello.html"))));
    Router::new().mount::<MyHandler>().fallback(page).serve(addr).await
}
