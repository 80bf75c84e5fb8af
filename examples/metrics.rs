//! A chat whose metrics Prometheus collects, with a dashboard for Grafana.
//!
//! Run it with `cargo run --example metrics --features metrics`, open <http://127.0.0.1:8080> in two windows, and
//! look at <http://127.0.0.1:8080/metrics>. The first argument is another address to listen on. The folder
//! `examples/metrics` has a configuration of Prometheus and the dashboard; its README has the commands.

mod page;

use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use ws_core::prelude::*;

/// How long a client waits between two lines.
const SLOW_MODE: Duration = Duration::from_millis(20);

/// One room for all clients. A client that reads too slowly misses messages, which the dashboard shows.
#[websocket(path = "/chat", mailbox = 256, overflow = drop_oldest)]
struct Chat(Topic<String>);

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(State(room): State<Topic<String>>) -> Self {
        Self(room)
    }

    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe_from(&self.0, None).await;
    }

    #[on_text]
    async fn say(&mut self, line: String) -> Result<(), PublishError> {
        self.0.publish(line)?;
        // Nothing else of this client is read meanwhile.
        tokio::time::sleep(SLOW_MODE).await;
        Ok(())
    }

    #[on_info]
    fn line(&mut self, line: Published<String>) -> String {
        line.to_string()
    }
}

#[tokio::main]
async fn main() -> Result<(), ws_core::BoxError> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    // Before the first topic and the first connection.
    let exporter = exporter()?;
    println!("listening on http://{addr}, WebSocket at ws://{addr}/chat, metrics at http://{addr}/metrics");
    router(exporter).serve(addr).await?;
    Ok(())
}

/// Installs the exporter. Its histograms have buckets from 100 µs to 100 s, and for connections up to a day.
fn exporter() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&[0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0])?
        .set_buckets_for_metric(
            Matcher::Full("websocket_connection_duration_seconds".into()),
            &[1.0, 10.0, 60.0, 600.0, 3600.0, 86400.0],
        )?
        .install_recorder()
}

/// Returns the chat, with the page for Prometheus in the fallback.
fn router(exporter: PrometheusHandle) -> Router {
    let room = Hub::local().topic::<String>("room").history(100);
    let metrics = get(move || {
        // Frees what old histograms hold; the exporter has no thread of its own.
        exporter.run_upkeep();
        std::future::ready(exporter.render())
    });
    let app = axum::Router::new().route("/metrics", metrics).fallback_service(PAGE.app());
    Router::new().mount::<Chat>().fallback(app).with_state(room)
}

const PAGE: page::Page = page::Page {
    name: "metrics",
    about: "What this page sends and receives is counted at <a href=\"/metrics\">/metrics</a>, for Prometheus.",
    source: include_str!("metrics.rs"),
    targets: &["/chat"],
    messages: &["hello"],
};

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
