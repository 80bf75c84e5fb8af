//! The `tracing` span of a connection, and the log lines in it.

#[path = "spans/open_telemetry.rs"]
mod open_telemetry;
#[path = "spans/recorder.rs"]
mod recorder;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use recorder::Lines;
use tests::serve;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tracing::instrument::Instrument;
use tracing::subscriber::{NoSubscriber, set_default};
use tracing::{Level, info};
use ws_core::prelude::*;
use ws_core::test::TestClient;

/// Returns the lines with the span that all of them end with left out.
#[track_caller]
fn without_span(lines: &Lines, span: &str) -> Vec<String> {
    let strip = |line: String| match line.strip_suffix(span) {
        Some(line) => line.to_owned(),
        None => panic!("not in the span {span:?}: {line}"),
    };
    lines.take().into_iter().map(strip).collect()
}

#[websocket(path = "/sync")]
#[derive(Default)]
struct Sync;

#[websocket]
impl Sync {
    #[on_open]
    fn open(&mut self) {
        info!("open");
    }

    #[on_text]
    fn text(&mut self, text: &str, cx: &mut Context<Self>) {
        info!("text {text}");
        if text == "spawn" {
            cx.spawn(async { info!("future") });
        } else if text == "fail" {
            panic!("on purpose");
        }
    }

    #[on_info]
    fn info(&mut self, (): ()) {
        info!("info");
    }

    #[every(1s)]
    fn tick(&mut self) {
        info!("tick");
    }

    #[on_close]
    fn close(&mut self) {
        info!("close");
    }
}

impl Drop for Sync {
    fn drop(&mut self) {
        info!("drop");
    }
}

#[tokio::test(start_paused = true)]
async fn methods_futures_and_logs_run_in_the_span() {
    let lines = Lines::default();
    let _guard = set_default(lines.subscriber(Level::DEBUG));
    let mut client = TestClient::open(Sync).await;
    client.send("spawn").await;
    client.advance(Duration::from_secs(1)).await;
    client.send("fail").await;
    client.close_reason().await;
    let span = " | INFO websocket handler=spans::Sync path=/sync id=#";
    let mut lines = lines.take();
    assert_eq!(lines.pop().as_deref(), Some("websocket closed"));
    let events: Vec<_> = lines.iter().map(|line| line.strip_suffix(span).expect(line)).collect();
    assert_eq!(
        events,
        [
            "DEBUG connection opened",
            "INFO open",
            "INFO text spawn",
            "INFO future",
            "INFO info",
            "INFO tick",
            "INFO text fail",
            "ERROR handler panicked handler=spans::Sync path=/sync peer=None panic=on purpose",
            "INFO close",
            "DEBUG connection ended reason=handler panicked: on purpose code=1011",
            "INFO drop",
        ]
    );
}

#[websocket(path = "/async", subprotocols = ["v1"])]
#[derive(Default)]
struct Async;

#[websocket]
impl Async {
    #[on_open]
    async fn open(&mut self) {
        tokio::task::yield_now().await;
        info!("open");
    }

    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) -> Deferred<String> {
        cx.tag(&format!("user:{text}")).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        info!("text");
        Deferred::new(async {
            tokio::task::yield_now().await;
            info!("deferred");
            text
        })
    }

    #[on_close]
    async fn close(&mut self) {
        tokio::task::yield_now().await;
        info!("close");
    }
}

#[tokio::test(start_paused = true)]
async fn async_methods_run_in_the_span() {
    let lines = Lines::default();
    let _guard = set_default(lines.subscriber(Level::INFO));
    let offer = TestClient::<Async>::upgrade("/async").header("sec-websocket-protocol", "v1");
    let mut client = offer.open().await.unwrap();
    let span = " | INFO websocket handler=spans::Async path=/async id=# subprotocol=v1";
    assert_eq!(without_span(&lines, span), ["INFO open"]);
    client.send("ann").await;
    client.advance(Duration::from_secs(1)).await;
    assert_eq!(client.text().await, "ann");
    let span = format!("{span} tag=user:ann");
    assert_eq!(without_span(&lines, &span), ["INFO text", "INFO deferred"]);
    client.close(1000).await;
    client.close_reason().await;
    assert_eq!(lines.take(), [format!("INFO close{span}"), "websocket closed".into()]);
}

#[tokio::test]
async fn the_span_of_a_served_connection_names_its_client() {
    let lines = Lines::default();
    let _guard = set_default(lines.subscriber(Level::DEBUG));
    let server = serve(Router::new().mount_at::<Sync>("/at/{place}")).await;
    let request = format!("ws://{}/at/home?secret=1", server.addr).into_client_request().unwrap();
    let stream = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    let addr = stream.local_addr().unwrap();
    let (client, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    drop(client);
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &String| line == "websocket closed") {
        tokio::task::yield_now().await;
        seen.extend(lines.take());
    }
    let span = format!(" | INFO websocket handler=spans::Sync path=/at/{{place}} peer={addr} id=#");
    for event in ["DEBUG connection opened", "INFO open", "INFO close", "INFO drop"] {
        assert!(seen.contains(&format!("{event}{span}")), "no {event:?} in {seen:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_parent_is_the_span_of_the_request() {
    let lines = Lines::default();
    let _guard = set_default(lines.subscriber(Level::INFO));
    let open = TestClient::<Sync>::upgrade("/sync").open();
    let client = open.instrument(tracing::info_span!("request")).await.unwrap();
    let span = " | INFO websocket handler=spans::Sync path=/sync id=# | INFO request ";
    assert_eq!(without_span(&lines, span), ["INFO open"]);
    drop(client);
}

/// A handler with the tags that its client names.
#[websocket(path = "/tagged")]
#[derive(Default)]
struct Tagged;

#[websocket]
impl Tagged {
    #[on_text]
    fn tag(&mut self, tag: &str, cx: &mut Context<Self>) {
        match tag.strip_prefix('-') {
            Some(tag) => assert!(cx.untag(tag)),
            None => cx.tag(tag).unwrap(),
        }
        info!("tagged");
    }
}

#[tokio::test(start_paused = true)]
async fn registry_and_span_have_the_same_id_and_first_tag() {
    let lines = Lines::default();
    let _guard = set_default(lines.subscriber(Level::INFO));
    // An id is not used again by another router.
    for _ in 0..2 {
        let router: Router = Router::new().mount::<Tagged>();
        let connections = router.connections();
        let upgrade = TestClient::<Tagged>::upgrade("/tagged");
        let mut client = upgrade.open_through(router).await.unwrap();
        for tag in ["user:42", "device:1", "device:1", "-user:42"] {
            client.send(tag).await;
        }
        client.advance(Duration::from_millis(1)).await;
        let id = connections.snapshots().await[0].id;
        // Once: a layer that appends what is recorded would write more with each tag.
        let span = |tags| {
            format!("INFO tagged | INFO websocket handler=spans::Tagged path=/tagged id={id} tag={tags}")
        };
        let tags = ["user:42"; 4];
        assert_eq!(lines.take_with_ids(), tags.map(span));
        client.close(1000).await;
        client.close_reason().await;
        lines.take();
    }
}

/// A handler whose `#[on_upgrade]` changes the span.
#[websocket(path = "/changed")]
struct Changed;

#[websocket]
impl Changed {
    #[on_upgrade]
    fn upgrade(State(is_changed): State<Arc<AtomicBool>>) -> Upgrade<Self> {
        Upgrade::new(Self).span(move |span| {
            span.record("tag", "early");
            assert!(!is_changed.swap(true, Ordering::Relaxed), "changed twice");
        })
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> &'static str {
        info!("open");
        if cx.span().is_disabled() { "disabled" } else { "enabled" }
    }
}

#[tokio::test(start_paused = true)]
async fn on_upgrade_changes_the_span_if_a_subscriber_takes_it() {
    let lines = Lines::default();
    for is_taken in [false, true] {
        let _guard = if is_taken {
            set_default(lines.subscriber(Level::INFO))
        } else {
            set_default(NoSubscriber::default())
        };
        let is_changed = Arc::<AtomicBool>::default();
        let upgrade = TestClient::<Changed>::upgrade("/changed").state(Arc::clone(&is_changed));
        let mut client = upgrade.open().await.unwrap();
        assert_eq!(client.text().await, if is_taken { "enabled" } else { "disabled" });
        assert_eq!(is_changed.load(Ordering::Relaxed), is_taken);
    }
    let span = " | INFO websocket handler=spans::Changed path=/changed id=# tag=early";
    assert!(lines.take().contains(&format!("INFO open{span}")));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_change_is_a_500() {
    let lines = Lines::default();
    let _guard = set_default(lines.subscriber(Level::INFO));
    let used = Arc::new(AtomicBool::new(true));
    let refused = TestClient::<Changed>::upgrade("/changed").state(used).open().await.unwrap_err();
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
}
