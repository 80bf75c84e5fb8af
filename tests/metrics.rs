//! The metrics of connections, as an exporter gets them.

#[path = "metrics/methods.rs"]
mod methods;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Mutex, OnceLock, PoisonError};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tests::serve;
use ws_core::prelude::*;
use ws_core::test::TestClient;
use ws_core::{Drain, History, publish_metrics};

/// The values of all metrics since the start of the process, by name and labels. A histogram counts its values.
fn values() -> BTreeMap<String, f64> {
    static TOTALS: Mutex<BTreeMap<String, f64>> = Mutex::new(BTreeMap::new());
    publish_metrics();
    let mut totals = TOTALS.lock().unwrap_or_else(PoisonError::into_inner);
    // A snapshot resets what it returns.
    for (key, _, _, value) in snapshotter().snapshot().into_vec() {
        let key = key.key();
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let total = totals.entry(format!("{} {}", key.name(), labels.join(" "))).or_default();
        match value {
            DebugValue::Counter(count) => *total += count as f64,
            DebugValue::Gauge(value) => *total += value.into_inner(),
            DebugValue::Histogram(values) => *total += values.len() as f64,
        }
    }
    totals.clone()
}

/// Returns the exporter of this process, which is installed before the first connection.
fn snapshotter() -> &'static Snapshotter {
    static SNAPSHOTTER: OnceLock<Snapshotter> = OnceLock::new();
    SNAPSHOTTER.get_or_init(|| {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        recorder.install().unwrap();
        snapshotter
    })
}

/// Checks the values of a handler that are not zero, without `websocket_` and the label of the handler.
#[track_caller]
fn check(handler: &str, expected: &[(&str, f64)]) {
    let label = format!(" handler=metrics::{handler} ");
    let actual: BTreeMap<String, f64> = values()
        .into_iter()
        .filter_map(|(key, value)| {
            let key = format!("{key} ");
            (value != 0.0 && key.contains(&label)).then(|| (key.replace(&label, " "), value))
        })
        .map(|(key, value)| (key.trim().replacen("websocket_", "", 1), value))
        // One call in 64 is measured.
        .filter(|(key, _)| !key.starts_with("method_duration_seconds"))
        .collect();
    let expected: BTreeMap<String, f64> =
        expected.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
    assert_eq!(actual, expected);
}

#[websocket(path = "/echo")]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn text(&mut self, text: &str) -> String {
        text.to_owned()
    }

    #[on_binary]
    async fn binary(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bytes
    }
}

#[tokio::test(start_paused = true)]
async fn messages_bytes_methods_and_closes_are_counted() {
    snapshotter();
    let mut client = TestClient::open(Echo).await;
    for text in ["one", "two"] {
        client.send(text).await;
        assert_eq!(client.text().await, text);
    }
    client.send(vec![0; 1000]).await;
    client.advance(Duration::from_secs(1)).await;
    assert_eq!(client.binary().await.len(), 1000);
    let open = [
        ("connections_opened_total transport=memory", 1.0),
        ("messages_received_total transport=memory kind=binary", 1.0),
        ("messages_received_total transport=memory kind=text", 2.0),
        ("messages_sent_total transport=memory kind=binary", 1.0),
        ("messages_sent_total transport=memory kind=text", 2.0),
        ("method_pending_seconds method=binary", 1.0),
    ];
    // A client masks its frames, with four bytes each.
    let received = ("received_bytes_total transport=memory", 2.0 * 9.0 + 1008.0);
    let sent = ("sent_bytes_total transport=memory", 2.0 * 5.0 + 1004.0);
    let now = ("connections transport=memory", 1.0);
    check("Echo", &[&open[..], &[now, received, sent]].concat());
    client.close((4123, "done")).await;
    client.close_reason().await;
    let closed = [
        ("connection_duration_seconds transport=memory", 1.0),
        ("connections_closed_total transport=memory reason=remote code=4xxx", 1.0),
        ("messages_received_total transport=memory kind=close", 1.0),
        ("messages_sent_total transport=memory kind=close", 1.0),
        (received.0, received.1 + 12.0),
        (sent.0, sent.1 + 4.0),
    ];
    check("Echo", &[&open[..], &closed[..]].concat());
}

#[websocket(path = "/guarded")]
#[derive(Default)]
struct Guarded;

#[websocket]
impl Guarded {
    #[on_text]
    fn text(&mut self, _: &str) {
        panic!("on purpose");
    }
}

#[tokio::test]
async fn refusals_and_panics_are_counted_by_reason() {
    snapshotter();
    let mut server = serve(Router::new().mount::<Guarded>()).await;
    for _ in 0..2 {
        assert!(server.try_connect("/guarded", &[("origin", "https://b.example")]).await.is_err());
    }
    let mut client = server.connect("/guarded").await;
    client.send("fail").await;
    assert_eq!(client.close_code().await, 1011);
    server.stop();
    server.join().await;
    let values = values();
    let of = |name: &str| values.get(&name.replace("{}", "handler=metrics::Guarded")).copied();
    assert_eq!(of("websocket_handshakes_refused_total {} reason=origin status=403"), Some(2.0));
    assert_eq!(of("websocket_connections {} transport=tcp"), Some(0.0));
    assert_eq!(of("websocket_connections_closed_total {} transport=tcp reason=panic code=1011"), Some(1.0));
}

/// A client that reads nothing until it has to.
#[websocket(path = "/slow", outbox_high_water = 16KiB, outbox_limit = 1MiB, mailbox = 2, overflow = drop_oldest)]
struct Slow(Hub);

#[websocket]
impl Slow {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe_from(&self.0.topic::<String>("lines"), None).await;
    }

    #[on_text]
    fn text(&mut self, _: &str, cx: &mut Context<Self>) {
        let addr = cx.addr();
        let sent = (0..5).filter(|_| addr.send(()).is_ok()).count();
        assert_eq!(sent, 2);
        cx.send(vec![0; 100_000]);
    }

    #[on_info]
    fn info(&mut self, (): ()) {}

    #[on_info]
    fn line(&mut self, line: Published<String>) -> String {
        line.to_string()
    }
}

#[tokio::test(start_paused = true)]
async fn slow_clients_mailboxes_and_topics_are_counted() {
    snapshotter();
    let before = values();
    let hub = Hub::local();
    let topic = hub.topic::<String>("lines").history(History::new(8));
    topic.publish("old".into()).unwrap();
    let mut client = TestClient::open(Slow(hub)).await;
    client.send("fill").await;
    client.advance(Duration::from_millis(1)).await;
    // The outbox is full, so that the queue of topics drops three of five.
    for line in 0..5 {
        topic.publish(line.to_string()).unwrap();
    }
    assert_eq!(client.binary().await.len(), 100_000);
    assert_eq!([client.text().await, client.text().await], ["3", "4"]);
    client.close(1000).await;
    client.close_reason().await;
    let values = values();
    let of = |name: &str| values.get(name).copied().unwrap_or(0.0) - before.get(name).copied().unwrap_or(0.0);
    let set = "handler=metrics::Slow transport=memory";
    assert_eq!(of(&format!("websocket_outbox_high_water_total {set}")), 1.0);
    assert_eq!(of(&format!("websocket_messages_missed_total {set}")), 3.0);
    assert_eq!(of("websocket_mailbox_full_total "), 3.0);
    assert_eq!(of("websocket_topic_published_total "), 6.0);
    assert_eq!(of("websocket_topic_deliveries_total "), 5.0);
    assert_eq!(of("websocket_topic_recoveries_total result=incomplete"), 1.0);
}

/// Every close code has a label, and their number is bounded.
#[tokio::test(start_paused = true)]
async fn codes_of_applications_share_a_label() {
    snapshotter();
    for code in [1000, 1001, 3000, 3999, 4000, 4001, 4999] {
        let mut client = TestClient::open(Closes).await;
        client.close(code).await;
        client.close_reason().await;
    }
    let values = values();
    let prefix =
        "websocket_connections_closed_total handler=metrics::Closes transport=memory reason=remote code=";
    let codes: Vec<_> =
        values.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, *value))).collect();
    assert_eq!(codes, [("1000", 1.0), ("1001", 1.0), ("3xxx", 2.0), ("4xxx", 3.0)]);
}

/// The label is the code that the client gets, also if it is not the handler's.
#[tokio::test]
async fn code_of_a_drain_is_counted() {
    snapshotter();
    let drain = Drain::spread(Duration::ZERO).code(1012);
    let mut server = serve(Router::new().mount_at::<Drained>("/").drain(drain)).await;
    let mut client = server.connect("/").await;
    server.stop();
    assert_eq!(client.close_code().await, 1012);
    server.join().await;
    let values = values();
    let closed = "websocket_connections_closed_total handler=metrics::Drained transport=tcp";
    let codes: Vec<_> = values.keys().filter_map(|key| key.strip_prefix(closed)).collect();
    assert_eq!(codes, [" reason=shutdown code=1012"]);
}

#[websocket]
#[derive(Default)]
struct Drained;

#[websocket]
impl Drained {
    #[on_text]
    fn text(&mut self, _: &str) {}
}

#[websocket]
#[derive(Default)]
struct Closes;

#[websocket]
impl Closes {
    #[on_text]
    fn text(&mut self, _: &str) {}
}

#[test]
fn every_metric_of_the_sources_is_documented() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let chapter = fs::read_to_string(format!("{root}/docs/observability.md")).unwrap();
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `websocket_")?.split_once('`'));
    let documented: BTreeSet<_> = rows.map(|(name, _)| format!("websocket_{name}")).collect();
    let mut sources = fs::read_to_string(format!("{root}/ws-core/src/metrics.rs")).unwrap();
    for file in fs::read_dir(format!("{root}/ws-core/src/metrics")).unwrap() {
        sources += &fs::read_to_string(file.unwrap().path()).unwrap();
    }
    let names = sources.split('"').skip(1).step_by(2).filter(|text| text.starts_with("websocket_"));
    assert_eq!(names.map(str::to_owned).collect::<BTreeSet<_>>(), documented);
    let sources: String = sources.split_whitespace().collect();
    for name in documented {
        let is_described = |kind| sources.contains(&format!("describe_{kind}!(\"{name}\""));
        assert!(["counter", "gauge", "histogram"].into_iter().any(is_described), "{name}");
    }
}
