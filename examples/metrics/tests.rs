//! The page for Prometheus under load, the dashboard, and the documentation name the same metrics.

use std::collections::BTreeSet;

use ws_core::test::TestClient;

use super::*;

/// Returns the metrics in the table of the documentation.
fn documented() -> BTreeSet<String> {
    let rows = include_str!("../../docs/observability.md").lines();
    let names = rows.filter_map(|line| line.strip_prefix("| `websocket_")?.split('`').next());
    names.map(|name| format!("websocket_{name}")).collect()
}

/// Returns the words that begin with `websocket_`.
fn named(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c)).filter(|word| word.starts_with("websocket_")).collect()
}

/// Returns the name of a metric without what Prometheus appends for a histogram.
fn without_suffix<'a>(name: &'a str, documented: &BTreeSet<String>) -> &'a str {
    let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    histogram.filter(|name| documented.contains(*name)).unwrap_or(name)
}

#[tokio::test(start_paused = true)]
async fn page_has_every_documented_metric_and_no_other() {
    let exporter = exporter().unwrap();
    let router = router(exporter.clone());
    let stop = tokio::sync::oneshot::channel::<()>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = tokio::spawn(router.clone().serve_listener(listener, async { _ = stop.1.await }));

    let mut clients = Vec::new();
    for _ in 0..4 {
        let upgrade = TestClient::<Chat>::upgrade("/chat");
        clients.push(upgrade.open_through(router.clone()).await.unwrap());
    }
    for number in 0..64 {
        clients[number % 4].send(number.to_string()).await;
        clients[number % 4].advance(SLOW_MODE).await;
        for client in &mut clients {
            assert_eq!(client.text().await, number.to_string());
        }
    }
    let foreign = TestClient::<Chat>::upgrade("/chat").header("origin", "https://b.example");
    foreign.header("host", "a.example").open_through(router).await.unwrap_err();
    clients.pop().unwrap().close(1000).await;

    // Once a second, counts are passed to the exporter and the event loops are measured.
    let is_counted = |line: &str| line.contains("kind=\"text\"") && line.ends_with(" 64");
    let is_measured = |line: &str| line.contains("_lag_seconds_count{") && !line.ends_with(" 0");
    let mut page = String::new();
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(100));
        tokio::task::yield_now().await;
        page = exporter.render();
        if page.lines().any(is_counted) && page.lines().any(is_measured) {
            break;
        }
    }
    assert!(page.lines().any(is_counted) && page.lines().any(is_measured), "{page}");
    drop(stop.0);
    server.await.unwrap().unwrap();

    let documented = documented();
    let names: BTreeSet<_> = named(&page).into_iter().map(|name| without_suffix(name, &documented)).collect();
    assert_eq!(names, documented.iter().map(String::as_str).collect(), "{page}");
}

#[test]
fn dashboard_uses_the_documented_metrics_and_no_other() {
    let dashboard = include_str!("dashboard.json");
    let parsed: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    assert!(parsed["panels"].as_array().is_some_and(|panels| !panels.is_empty()));
    let documented = documented();
    let used: BTreeSet<_> =
        named(dashboard).into_iter().map(|name| without_suffix(name, &documented)).collect();
    assert_eq!(used, documented.iter().map(String::as_str).collect());
}
