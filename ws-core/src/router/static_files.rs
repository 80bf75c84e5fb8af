//! Files that a router serves beside its handlers, with tags of their content.

use std::sync::Arc;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH,
};
use hyper::{Method, Request, StatusCode};
use md5::{Digest, Md5};

use crate::upgrade;

/// The files of a router by their paths. Empty without an allocation, because each request looks at them.
#[derive(Clone, Debug, Default)]
pub(crate) struct StaticFiles(Option<Arc<Vec<StaticFile>>>);

impl StaticFiles {
    /// Adds a file. A later file replaces an earlier one at the same path.
    pub(crate) fn insert(&mut self, file: StaticFile) {
        let files = Arc::make_mut(self.0.get_or_insert_default());
        files.retain(|other| other.path != file.path);
        files.push(file);
    }

    /// Returns the response for the path of a file. Returns `None` for other paths and for handshakes.
    pub(super) fn respond(&self, request: &Request<Body>) -> Option<Response> {
        let file = self.0.as_ref()?.iter().find(|file| *file.path == *request.uri().path())?;
        (!upgrade::is_handshake(request)).then(|| file.respond(request))
    }
}

/// A file at a path, and the headers of its responses.
#[derive(Clone, Debug)]
pub(crate) struct StaticFile {
    path: Box<str>,
    body: Bytes,
    content_type: &'static str,
    /// The tag of the content. All nodes of a deployment have the same one.
    tag: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl StaticFile {
    pub(crate) fn new(path: &str, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let tag = format!("\"{:032x}\"", u128::from_be_bytes(Md5::digest(&body).into()));
        let tag = HeaderValue::from_str(&tag).expect("the tag is hexadecimal");
        Self { path: path.into(), body, content_type, tag, headers: Vec::new() }
    }

    /// Adds a header to the responses with 200 and 304.
    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    fn respond(&self, request: &Request<Body>) -> Response {
        let is_head = request.method() == Method::HEAD;
        if !is_head && request.method() != Method::GET {
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response();
        }
        let is_cached = self.has_tag(request.headers());
        let mut response = match is_cached {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false if is_head => Response::new(Body::empty()),
            false => Response::new(Body::from(self.body.clone())),
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, self.tag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.extend(self.headers.iter().cloned());
        if !is_cached {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        response
    }

    /// Returns whether `If-None-Match` has the tag (RFC 9110 §13.1.2: a weak comparison).
    fn has_tag(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(IF_NONE_MATCH).iter();
        values.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.tag.as_bytes()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> StaticFiles {
        let mut files = StaticFiles::default();
        files.insert(StaticFile::new("/other", "text/plain", "other"));
        files.insert(StaticFile::new("/script.js", "text/javascript", "old"));
        let script = StaticFile::new("/script.js", "text/javascript", "script");
        files.insert(script.header(ALLOW, "everything"));
        files
    }

    fn get(headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::get("/script.js?v=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn tag() -> String {
        let response = files().respond(&get(&[])).unwrap();
        response.headers()[ETAG].to_str().unwrap().to_owned()
    }

    #[track_caller]
    fn check(request: &Request<Body>, status: u16, length: Option<usize>) {
        let response = files().respond(request).unwrap();
        assert_eq!(response.status().as_u16(), status);
        let headers = response.headers();
        let value = headers.get(CONTENT_LENGTH).map(|value| value.to_str().unwrap().parse().unwrap());
        assert_eq!(value, length);
        assert_eq!(headers.contains_key(ETAG), status != 405);
        assert_eq!(headers.contains_key(CACHE_CONTROL), status != 405);
        assert_eq!(headers[ALLOW], if status == 405 { "GET, HEAD" } else { "everything" });
        assert_eq!(headers.contains_key(CONTENT_TYPE), status == 200);
    }

    #[test]
    fn file_is_served_unless_the_client_has_it() {
        let (tag, whole) = (tag(), Some("script".len()));
        check(&get(&[]), 200, whole);
        check(&get(&[("if-none-match", "\"other\"")]), 200, whole);
        check(&get(&[("if-none-match", &tag)]), 304, None);
        check(&get(&[("if-none-match", &format!("\"other\" , W/{tag}"))]), 304, None);
        check(&get(&[("if-none-match", "\"other\""), ("if-none-match", &tag)]), 304, None);
        check(&get(&[("if-none-match", "*")]), 304, None);
    }

    #[test]
    fn other_methods_get_405_and_head_has_the_length() {
        let mut request = get(&[]);
        *request.method_mut() = Method::HEAD;
        check(&request, 200, Some("script".len()));
        *request.method_mut() = Method::POST;
        check(&request, 405, None);
    }

    #[test]
    fn other_paths_and_handshakes_are_not_for_files() {
        let other = Request::get("/script").body(Body::empty()).unwrap();
        assert!(files().respond(&other).is_none());
        assert!(StaticFiles::default().respond(&get(&[])).is_none());
        assert!(files().respond(&get(&[("upgrade", "websocket")])).is_none());
    }
}
