//! Sends back what it gets: text and binary, up to 64 MiB a message, compressed with clients that can.
//!
//! Run it with `cargo run --release --example echo` and talk to `ws://127.0.0.1:8080/`. Another
//! address is its first argument: `cargo run --release --example echo -- 127.0.0.1:9001`; a number of
//! threads that connections have for themselves may follow. The Autobahn suite and the clients of
//! `tests/interop` run against this one.

use ws_core::prelude::*;

/// It has nothing to lose, so pages from anywhere may connect.
#[websocket(path = "/", max_message_size = 64MiB, compress, origins = any)]
#[derive(Default)]
struct Echo;

#[websocket]
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
    let workers = args.next().and_then(|workers| workers.parse().ok()).unwrap_or(0);
    println!("listening on ws://{addr}/");
    Router::new().mount::<Echo>().workers(workers).serve(addr).await
}
