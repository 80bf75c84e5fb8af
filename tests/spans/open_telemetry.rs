//! Traces of OpenTelemetry that go through a connection.

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanId, TraceId, TracerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::info_span;
use tracing::subscriber::set_default;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Registry;
use tracing_subscriber::prelude::*;
use ws_core::prelude::*;
use ws_core::test::TestClient;

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

#[websocket(path = "/traced")]
struct Traced;

#[websocket]
impl Traced {
    #[on_upgrade]
    fn upgrade(headers: HeaderMap) -> Upgrade<Self> {
        let parent = TraceContextPropagator::new().extract(&Headers(&headers));
        // An error without the layer of OpenTelemetry, for example in development. A panic here would be a 500.
        Upgrade::new(Self).span(move |span| _ = span.set_parent(parent))
    }

    #[on_text]
    async fn text(&mut self, text: String) -> String {
        let _entered = info_span!("query").entered();
        text
    }
}

#[tokio::test(start_paused = true)]
async fn a_trace_of_the_client_goes_on() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("tests"));
    let _guard = set_default(Registry::default().with(layer));
    let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let upgrade = TestClient::<Traced>::upgrade("/traced").header("traceparent", header);
    let mut client = upgrade.open().await.unwrap();
    client.send("hello").await;
    assert_eq!(client.text().await, "hello");
    client.close(1000).await;
    client.close_reason().await;

    let spans = exporter.get_finished_spans().unwrap();
    let find = |name| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}"));
    let (websocket, query) = (find("websocket"), find("query"));
    let trace = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap();
    assert_eq!(websocket.span_context.trace_id(), trace);
    assert_eq!(websocket.parent_span_id, SpanId::from_hex("b7ad6b7169203331").unwrap());
    assert_eq!(query.span_context.trace_id(), trace);
    assert_eq!(query.parent_span_id, websocket.span_context.span_id());
    let path = websocket.attributes.iter().find(|attribute| attribute.key.as_str() == "path");
    assert_eq!(path.unwrap().value.as_str(), "/traced");
}
