//! An echo of text and binary, up to 64 MiB a message, compressed with clients that offer compression.
//!
//! Run it with `cargo run --release --example echo` and open <http://127.0.0.1:8080>, or connect any client to
//! `ws://127.0.0.1:8080/`. The first argument is another address to listen on:
//! `cargo run --release --example echo -- 127.0.0.1:9001`. The second is a number of worker threads
//! (`Router::workers`), instead of one for each core. The Autobahn suite and the clients of `tests/interop` connect to this example.

mod page;

use ws_core::prelude::*;

/// Pages of every origin may connect, because this handler has neither users nor data.
#[websocket(path = "/", max_message_size = 64MiB, compress, origins = any)]
#[derive(Default)]
struct Echo;

// With the feature `contract`, what the handler takes and sends is kept in `contract/echo.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(feature = "contract", websocket(contract))]
impl Echo {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }

    #[on_binary]
    fn binary<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let mut args = std::env::args().skip(1);
    let addr = args.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let mut router = Router::new().mount::<Echo>().fallback(PAGE.app());
    if let Some(workers) = args.next().and_then(|workers| workers.parse().ok()) {
        router = router.workers(workers);
    }
    println!("listening on http://{addr}, WebSocket at ws://{addr}/");
    // A path is a page and a socket: requests for `/` without an upgrade go to the fallback.
    router.serve(addr).await
}

const PAGE: page::Page = page::Page {
    name: "echo",
    about: "The replies borrow from the payload, so nothing is copied. A browser offers compression, \
            which the option <code>compress</code> accepts.",
    source: include_str!("echo.rs"),
    targets: &["/"],
    messages: &["hello", "κόσμε 🎈", "bytes:65536", "bytes:1048576"],
};

#[cfg(all(test, feature = "contract"))]
mod tests {
    use super::*;

    #[test]
    fn contract_is_kept() {
        ws_core::contract::check("contract/echo.json", &Router::new().mount::<Echo>());
    }
}
