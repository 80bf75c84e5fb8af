//! The files of the documentation, and their escaping.

use axum_core::body::Body;
use axum_core::response::Response;
use hyper::Request;
use serde_json::Value;

use super::page::{POLICY, escape, html};
use crate::contract::Contract;
use crate::prelude::*;

#[websocket(path = "/board/{_symbol}", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

/// Prices </script><script>alert(1)</script> <!-- of a board.
#[websocket(contract)]
impl Board {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }
}

#[websocket(path = "/{_any}")]
#[derive(Default)]
struct Other;

#[websocket]
impl Other {
    #[on_text]
    fn ignore(&mut self, _: &str) {}
}

async fn get(router: &Router, method: &str, path: &str) -> Response {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    router.call_request(request).await
}

async fn text(router: &Router, path: &str) -> String {
    let response = get(router, "GET", path).await;
    assert_eq!(response.status(), 200, "{path}");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

fn router() -> Router {
    Router::new().mount::<Board>().mount::<Other>()
}

#[tokio::test]
async fn documents_are_those_of_the_contract() {
    let router = router().docs_with("/docs", |document| document.title("Prices"));
    assert_eq!(text(&router, "/docs/contract.json").await, router.contract().to_json());
    let document = router.contract().asyncapi().title("Prices");
    assert_eq!(text(&router, "/docs/asyncapi.json").await, document.to_json());
    assert_eq!(text(&router, "/docs/asyncapi.yaml").await, document.to_yaml());
    assert_eq!(get(&router, "GET", "/docs/").await.status(), 404);
}

#[tokio::test]
async fn documentation_at_the_root_has_its_documents_there() {
    let router = router().docs("/");
    assert!(text(&router, "/").await.starts_with("<!doctype html>"));
    assert_eq!(text(&router, "/contract.json").await, router.contract().to_json());
}

#[tokio::test]
async fn page_has_a_policy_and_other_methods_get_405() {
    let router = router().docs("/docs");
    let page = get(&router, "HEAD", "/docs").await;
    let header = |name| page.headers()[name].to_str().unwrap();
    assert_eq!(header("content-security-policy"), POLICY);
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-cache");
    for part in
        ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self' ws: wss:"]
    {
        assert!(POLICY.contains(part), "{POLICY}");
    }
    assert!(!POLICY.contains("unsafe"), "{POLICY}");
    for path in ["/docs", "/docs/contract.json", "/docs/asyncapi.json", "/docs/asyncapi.yaml"] {
        assert_eq!(get(&router, "POST", path).await.status(), 405, "{path}");
    }
}

/// Returns the data in a page.
fn data(page: &str) -> &str {
    let (_, data) = page.split_once(r#"<script type="application/json" id="data">"#).unwrap();
    data.split_once("</script>").unwrap().0
}

#[tokio::test]
async fn texts_of_the_contract_do_not_end_their_element() {
    let router = router().docs("/docs");
    let page = text(&router, "/docs").await;
    let contract = router.contract();
    let read: Value = serde_json::from_str(data(&page)).unwrap();
    assert_eq!(read["contract"], serde_json::to_value(&contract).unwrap());
    let description = "Prices </script><script>alert(1)</script> <!-- of a board.";
    assert_eq!(read["contract"]["handlers"][0]["description"], description);
    assert!(!page.contains("alert(1)</script>") && !page.contains("<!-- of"), "{page}");
}

#[test]
fn escaped_json_is_the_same_value() {
    let text = "</script><!--<![CDATA[\u{2028}\\u003c\"\\";
    let json = serde_json::to_string(text).unwrap();
    let escaped = escape(&json);
    assert!(!escaped.contains('<'), "{escaped}");
    assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
}

#[test]
fn page_is_small() {
    let contract = Contract { format: 1, handlers: Vec::new() };
    let empty = html(&contract, &contract.asyncapi(), "/docs");
    assert!(empty.len() <= 60_000, "{}", empty.len());
}

#[test]
#[should_panic(expected = "cannot mount a handler at \"/{_any}\": mount handlers before `docs`")]
fn handlers_are_mounted_before() {
    let _ = Router::new().mount::<Board>().docs("/docs").mount::<Other>();
}

#[test]
#[should_panic(expected = "cannot serve the documentation at \"docs\"")]
fn path_starts_with_a_slash() {
    let _: Router = Router::new().docs("docs");
}
