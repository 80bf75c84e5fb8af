//! A handler inside an axum app: the router is a `tower` service, and extractors of axum work in
//! `#[on_upgrade]`.
//!
//! Run it with `cargo run --example axum`, open <http://127.0.0.1:8080> and connect to
//! `ws://127.0.0.1:8080/live/echo`. Ctrl-C drains it. Another address is its first argument.

use axum::http::HeaderMap;
use axum::response::Html;
use axum::routing::get;
use ws_core::prelude::*;

#[websocket(path = "/echo")]
struct Echo {
    agent: String,
}

#[websocket]
impl Echo {
    #[on_upgrade]
    fn make(headers: HeaderMap) -> Self {
        let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok());
        Self { agent: agent.unwrap_or("somebody").to_owned() }
    }

    #[on_text]
    fn echo(&mut self, text: &str) -> String {
        format!("{} said {text}", self.agent)
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let handlers = ws_core::Router::new().mount::<Echo>();
    let app = axum::Router::new()
        .route("/", get(async || Html("<p>connect to <code>/live/echo</code>")))
        .nest_service("/live", handlers.clone());

    let listener = tokio::net::TcpListener::bind(&addr).await?;
    println!("listening on http://{addr}, WebSocket at ws://{addr}/live/echo");
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    // axum gave the connections away with the 101; they are told here.
    handlers.shutdown().await;
    Ok(())
}
