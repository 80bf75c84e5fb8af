//! A board of prices: 200 symbols, 2,000 prices a second, a login by states, and a contract. `GET /` serves a page with
//! the client that the contract generates, `GET /docs` the documentation.
//!
//! Run it with `cargo run --example board --features board` and open <http://127.0.0.1:8080>. The password is
//! `wonderland`. The socket is `ws://127.0.0.1:8080/board`. The first argument is another address to listen on. The
//! example `feed` is a client of this one in Rust, and `board/board.ts` the generated client in TypeScript.

#[path = "board/mod.rs"]
mod board;
#[path = "page/files.rs"]
mod files;

use std::borrow::Cow;

use board::{Board, Market};
use files::Files;
use ws_core::prelude::*;

/// Returns the router, without the page.
fn router(market: Market) -> Router {
    let router = Router::new().mount::<Board>().client_script("/ws-core.js");
    router.with_state(market).docs_with("/docs", |document| document.title("Board"))
}

/// Returns the page, and the modules that it imports: those of the repository, and those that the contract generates.
fn page(router: &Router) -> Files {
    let mut files: Vec<(Cow<'static, str>, _, _)> = vec![
        ("/".into(), "text/html; charset=utf-8", include_str!("board.html").to_owned()),
        ("/page.css".into(), "text/css", include_str!("page/page.css").to_owned()),
        ("/app.js".into(), "text/javascript", include_str!("board/app.js").to_owned()),
        ("/draw.js".into(), "text/javascript", include_str!("board/draw.js").to_owned()),
    ];
    for file in router.contract().javascript() {
        if file.name.ends_with(".js") {
            files.push((format!("/{}", file.name).into(), "text/javascript", file.text));
        }
    }
    Files::new(files)
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    println!("listening on http://{addr}, WebSocket at ws://{addr}/board");
    let market = Market::new(&Hub::local());
    tokio::spawn(market.clone().run());
    let router = router(market);
    let page = page(&router);
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    router.fallback(page).serve_with_shutdown(addr, stop).await
}

#[cfg(test)]
#[path = "board/tests.rs"]
mod tests;
