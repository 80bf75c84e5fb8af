//! The handler of the Cowboy user guide, whose phrases these are, and a page with a client for it.
//!
//! Run it with `cargo run --example hello` and open <http://127.0.0.1:8080>, or connect any client to
//! `ws://127.0.0.1:8080/websocket`. The first argument is another address to listen on:
//! `cargo run --example hello -- 127.0.0.1:9001`.
//!
//! The option `bullet` answers requests without a handshake too: `curl http://127.0.0.1:8080/websocket`.

mod page;

use ws_core::prelude::*;

#[websocket(path = "/websocket", bullet)]
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
    Router::new().mount::<MyHandler>().fallback(PAGE.app()).serve(addr).await
}

const PAGE: page::Page = page::Page {
    name: "hello",
    about: "The handler that the <a href='https://ninenines.eu/docs/en/cowboy/2.12/guide/ws_handlers/'>user \
            guide of Cowboy</a> starts with. The server greets after a second and again every second; a text is \
            echoed. The phrases are the guide's own.",
    source: include_str!("hello.rs"),
    targets: &["/websocket"],
    messages: &["hello", "κόσμε 🎈"],
};
