//! A handler inside an axum app: the router is a `tower` service, and extractors of axum work in
//! `#[on_upgrade]`.
//!
//! Run it with `cargo run --example axum --features axum` and open <http://127.0.0.1:8080>, or connect any
//! client to `ws://127.0.0.1:8080/live/echo`. Ctrl-C drains it. The first argument is another address to
//! listen on.

mod page;

use axum::http::HeaderMap;
use ws_core::prelude::*;

#[websocket(path = "/echo")]
struct Echo {
    agent: String,
}

// With the feature `contract`, what the handler takes and sends is kept in `contract/axum.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(feature = "contract", websocket(contract))]
impl Echo {
    #[on_upgrade]
    fn make(headers: HeaderMap) -> Self {
        let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok());
        Self { agent: agent.unwrap_or("a client without a user agent").to_owned() }
    }

    #[on_text]
    fn echo(&mut self, text: &str) -> String {
        format!("{text}, from {}", self.agent)
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let handlers = ws_core::Router::new().mount::<Echo>();
    let app = axum::Router::new().nest_service("/live", handlers.clone()).fallback_service(PAGE.app());

    let listener = tokio::net::TcpListener::bind(&addr).await?;
    println!("listening on http://{addr}, WebSocket at ws://{addr}/live/echo");
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    // axum does not track upgraded connections; the router that accepted them drains them.
    handlers.shutdown().await;
    Ok(())
}

const PAGE: page::Page = page::Page {
    name: "axum",
    about: "This page and the socket are one axum app: <code>app.nest_service(\"/live\", router)</code>. \
            Extractors of axum work in <code>#[on_upgrade]</code>; this one reads the user agent.",
    source: include_str!("axum.rs"),
    targets: &["/live/echo"],
    messages: &["hello"],
};

#[cfg(all(test, feature = "contract"))]
mod tests {
    use super::*;

    #[test]
    fn contract_is_kept() {
        ws_core::contract::check("contract/axum.json", &ws_core::Router::new().mount::<Echo>());
    }
}
