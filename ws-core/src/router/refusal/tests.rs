use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use axum_core::body::Body;
use hyper::Request;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;
use crate::handler::Upgrade;
use crate::prelude::*;
use crate::router::PlainHandshake;
use crate::upgrade::HandshakeHeaders;

/// The log lines of this crate, each with its level and its fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>, Arc<AtomicU64>);

impl Lines {
    /// Returns the lines since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.0))
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.1.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0 += &format!(" {field}={value:?}");
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        lock(&self.0).push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
#[crate::websocket(path = "/plain", subprotocols = ["chat"])]
struct Plain;

#[crate::websocket]
impl Plain {
    #[on_text]
    fn text(&mut self, _: &str) {}
}

#[crate::websocket(path = "/asks/{what}")]
struct Asks;

#[crate::websocket]
impl Asks {
    #[on_upgrade]
    fn make(Path(what): Path<String>) -> Result<Upgrade<Self>, StatusCode> {
        match what.as_str() {
            "panic" => panic!("on purpose"),
            "deny" => Err(StatusCode::UNAUTHORIZED),
            "fail" => Err(StatusCode::INTERNAL_SERVER_ERROR),
            what => Ok(Upgrade::new(Self).subprotocol(what)),
        }
    }
}

const HEADERS: [(&str, &str); 5] = [
    ("host", "a.example"),
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn router() -> Router {
    Router::new().mount::<Plain>().mount::<Asks>()
}

/// Returns the only line about a request with some headers changed, with the crate's path left out.
async fn line_about(path: &str, changes: &[(&str, &str)]) -> String {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut request = Request::get(path).extension(PeerAddr(([192, 0, 2, 1], 7).into()));
    let is_changed = |(name, _): &&(&str, &str)| !changes.iter().any(|(changed, _)| changed == name);
    for (name, value) in
        HEADERS.iter().filter(is_changed).chain(changes).filter(|(_, value)| !value.is_empty())
    {
        request = request.header(*name, *value);
    }
    let _ = router().call_request(request.body(Body::empty()).unwrap()).await;
    let [line] = &lines.take()[..] else { panic!("not one line") };
    line.replace("ws_core::router::refusal::tests::", "")
}

#[tokio::test(start_paused = true)]
async fn lines_name_the_request_the_reason_and_the_remedy() {
    let line = line_about("/plain?secret=1", &[("origin", "https://b.example")]).await;
    assert_eq!(
        line,
        "INFO message=handshake refused handler=\"Plain\" path=\"/plain\" peer=Some(192.0.2.1:7) \
         origin=Some(\"https://b.example\") host=Some(\"a.example\") status=403 reason=pages of this origin may \
         not connect help=write `origins = [\"https://b.example\"]`"
    );
    for (path, changes, expect) in [
        ("/plain", &[("origin", "http://localhost:5173")][..], ["INFO", "`origins = localhost`"]),
        ("/plain", &[("origin", "null")], ["INFO", "only `origins = any` allows it"]),
        ("/plain", &[("origin", "http://a.example:81")], ["INFO", "proxy_set_header Host $http_host;"]),
        ("/plain", &[("sec-websocket-version", "12")], ["INFO", "help=use a client of RFC 6455"]),
        ("/plain", &[("upgrade", "")], ["INFO", "proxy_set_header Upgrade $http_upgrade;"]),
        ("/plain", &[], ["ERROR", "with_upgrades()"]),
        ("/asks/panic", &[], ["ERROR", "with_upgrades()"]),
    ] {
        let line = line_about(path, changes).await;
        assert!(line.starts_with(expect[0]) && line.contains(expect[1]), "{path} {changes:?}: {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn contradictory_headers_of_a_proxy_are_logged() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let request = Request::get("/page").extension(PeerAddr(([192, 0, 2, 1], 7).into()));
    let request = request.header("forwarded", "for=192.0.2.1").header("x-forwarded-for", "203.0.113.7");
    let router = router().trusted_proxies(["192.0.2.1"]);
    let response = router.call_request(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(
        lines.take(),
        ["INFO message=handshake refused handler=\"ws_core::router::Router\" path=\"/page\" \
          peer=Some(192.0.2.1:7) origin=None host=None status=400 reason=Forwarded and X-Forwarded-For contradict \
          each other help=let the proxy delete the one of `Forwarded` and `X-Forwarded-For` that it does not write \
          (nginx: `proxy_set_header Forwarded \"\";`)"]
    );
}

/// Returns the only line about a handshake whose stream the server owns.
async fn line_about_owned(path: &str) -> String {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut request = Request::get(path);
    for (name, value) in HEADERS {
        request = request.header(name, value);
    }
    let mut parts = request.body(()).unwrap().into_parts().0;
    let router = router();
    assert!(router.accept(&mut parts).unwrap().await.is_err());
    let [line] = &lines.take()[..] else { panic!("not one line") };
    line.clone()
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_handler_are_logged() {
    for (path, level, reason) in [
        ("/asks/panic", "ERROR", "status=500 reason=the handler panicked: on purpose"),
        ("/asks/deny", "INFO", "status=401 reason=`#[on_upgrade]` or one of its extractors"),
        ("/asks/fail", "ERROR", "status=500 reason=`#[on_upgrade]` or one of its extractors"),
        ("/asks/chat", "ERROR", "status=500 reason=the client did not offer the subprotocol \"chat\""),
    ] {
        let line = line_about_owned(path).await;
        assert!(line.starts_with(level) && line.contains(reason), "{path}: {line}");
        assert!(line.contains("host=Some(\"a.example\")") && line.contains(path), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn plain_route_logs_too() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let fields = HEADERS.map(|(name, value)| httparse::Header { name, value: value.as_bytes() });
    let foreign = httparse::Header { name: "Origin", value: b"http://\xff.example" };
    let fields = [&fields[..], &[foreign]].concat();
    let headers = HandshakeHeaders::scan(&fields[..]);
    let peer = Some(([192, 0, 2, 1], 7).into());
    let plain = PlainHandshake { path: "/plain", headers: &headers, fields: &fields, peer };
    assert!(router().accept_plain(&plain).unwrap().is_err());
    let lines = lines.take();
    assert!(lines.len() == 1 && lines[0].contains("peer=Some(192.0.2.1:7)"), "{lines:?}");
    assert!(lines[0].contains("status=403"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn log_is_bounded_and_counts_the_rest() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let router = router();
    let refuse = async || {
        let long = format!("http://{}.example", "x".repeat(2 * MAX_VALUE));
        let request = Request::get("/plain").header("origin", long);
        // A clone is the same server.
        _ = router.clone().call_request(request.body(Body::empty()).unwrap()).await;
    };
    for _ in 0..250 {
        refuse().await;
    }
    let logged = lines.take();
    assert_eq!(logged.len(), 100);
    assert!(logged.iter().all(|line| line.len() < 1024), "{}", logged[0]);
    tokio::time::sleep(PERIOD + Duration::from_millis(1)).await;
    assert_eq!(
        lines.take(),
        ["INFO message=more handshakes were refused than are logged in a second omitted=150"]
    );
    refuse().await;
    assert_eq!(lines.take().len(), 1);
}

#[test]
fn omitted_refusals_are_reported_once() {
    let (log, start) = (RefusalLog::default(), Instant::now());
    for _ in 0..MAX_LINES {
        assert_eq!(log.admit(start), Admission::Log(0));
    }
    assert_eq!(log.admit(start), Admission::OmitFirst(start + PERIOD));
    assert_eq!(log.admit(start), Admission::Omit);
    // Without a runtime, the next refusal reports them.
    assert_eq!(log.admit(start + PERIOD), Admission::Log(2));
    assert_eq!(log.take_omitted(), 0);
}
