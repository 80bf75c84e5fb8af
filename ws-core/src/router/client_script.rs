//! The script of the client for pages, as a response.

use std::sync::{Arc, LazyLock};

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, IF_NONE_MATCH,
};
use hyper::{Method, Request, StatusCode};
use md5::{Digest, Md5};

use super::Router;
use crate::upgrade;

/// The build of `clients/js`; a test there checks that the build is current.
static SCRIPT: &[u8] = include_bytes!("../../client/ws-core.min.js");

/// The tag of the content. All nodes of a deployment have the same one.
static TAG: LazyLock<HeaderValue> = LazyLock::new(|| {
    let tag = format!("\"{:032x}\"", u128::from_be_bytes(Md5::digest(SCRIPT).into()));
    HeaderValue::from_str(&tag).expect("the tag is hexadecimal")
});

impl<S: Send + Sync + 'static> Router<S> {
    /// Serves the client for pages at a path: an ES module with the class `SessionSocket`, 5 KB compressed. The
    /// class has the interface of `WebSocket`, falls back to HTTP, reconnects, and resumes its session. Its
    /// README is in `clients/js` of the repository.
    ///
    /// `GET` and `HEAD` get the script. The response has an `ETag`, and a request with that tag in
    /// `If-None-Match` gets 304; `Cache-Control: no-cache` makes browsers send it. Pages of all origins can
    /// import the script. Other methods get 405, except for handshakes, which are for handlers. The path comes
    /// before the parameters of handlers and before the [`fallback`](Self::fallback). Default: no path.
    ///
    /// # Panics
    ///
    /// Panics if the path does not start with `/`, or has a query.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut router = Router::new().mount::<Chat>().client_script("/ws-core.js");
    /// // In the page: import { SessionSocket } from "/ws-core.js"; new SessionSocket("/chat");
    /// # let request = hyper::Request::get("/ws-core.js").body(String::new()).unwrap();
    /// # let answer = tower_service::Service::call(&mut router, request).await.unwrap();
    /// assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
    /// # }
    /// ```
    #[track_caller]
    pub fn client_script(mut self, path: &str) -> Self {
        assert!(
            path.starts_with('/') && !path.contains(['?', '#', '{']),
            "cannot serve the client at {path:?}: the path of a script starts with `/` and has no parameters"
        );
        self.settings.client_script = Some(Arc::from(path));
        self
    }
}

/// Returns the response for the path of the script. Returns `None` for other paths and for handshakes.
pub(super) fn respond(path: Option<&str>, request: &Request<Body>) -> Option<Response> {
    if path != Some(request.uri().path()) || upgrade::is_handshake(request) {
        return None;
    }
    let is_head = request.method() == Method::HEAD;
    if !is_head && request.method() != Method::GET {
        return Some((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response());
    }
    let about = [
        (ETAG, TAG.clone()),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    if has_tag(request.headers()) {
        return Some((StatusCode::NOT_MODIFIED, about).into_response());
    }
    let mut response = (about, if is_head { &[] } else { SCRIPT }).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(SCRIPT.len()));
    Some(response)
}

/// Returns whether `If-None-Match` has the tag (RFC 9110 §13.1.2: a weak comparison).
fn has_tag(headers: &HeaderMap) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).any(
        |tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == TAG.as_bytes()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::get("/ws-core.js?v=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn tag() -> &'static str {
        TAG.to_str().unwrap()
    }

    #[track_caller]
    fn check(request: &Request<Body>, status: u16, length: Option<usize>) {
        let response = respond(Some("/ws-core.js"), request).unwrap();
        assert_eq!(response.status().as_u16(), status);
        let headers = response.headers();
        let value = headers.get(CONTENT_LENGTH).map(|value| value.to_str().unwrap().parse().unwrap());
        assert_eq!(value, length);
        assert_eq!(headers.contains_key(ETAG), status != 405);
    }

    #[test]
    fn script_is_served_unless_the_client_has_it() {
        let whole = Some(SCRIPT.len());
        check(&get(&[]), 200, whole);
        check(&get(&[("if-none-match", "\"other\"")]), 200, whole);
        check(&get(&[("if-none-match", tag())]), 304, None);
        check(&get(&[("if-none-match", &format!("\"other\" , W/{}", tag()))]), 304, None);
        check(&get(&[("if-none-match", "\"other\""), ("if-none-match", tag())]), 304, None);
        check(&get(&[("if-none-match", "*")]), 304, None);
    }

    #[test]
    fn other_methods_get_405_and_head_has_the_length() {
        let mut request = get(&[]);
        *request.method_mut() = Method::HEAD;
        check(&request, 200, Some(SCRIPT.len()));
        *request.method_mut() = Method::POST;
        check(&request, 405, None);
    }

    #[test]
    fn other_paths_and_handshakes_are_not_for_the_script() {
        assert!(respond(Some("/other"), &get(&[])).is_none());
        assert!(respond(None, &get(&[])).is_none());
        assert!(respond(Some("/ws-core.js"), &get(&[("upgrade", "websocket")])).is_none());
    }

    #[test]
    #[should_panic(expected = "cannot serve the client at \"ws-core.js\"")]
    fn path_starts_with_a_slash() {
        let _ = Router::<()>::new().client_script("ws-core.js");
    }
}
