//! Headers with which a browser lets the pages of other origins read a response (the Fetch standard, §3.3).

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};

/// How long a browser may remember the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// Adds the headers of a response to `out`. A page may read the response, with cookies in its request, if the check
/// of the handshake allows the page's origin.
pub(crate) fn add_headers(request: &HeaderMap, is_allowed: bool, out: &mut HeaderMap) {
    out.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = request.get(ORIGIN).filter(|_| is_allowed) {
        out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        out.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// Adds what the answer to a preflight has besides, if the request is one.
pub(crate) fn add_preflight_headers(
    request: &HeaderMap,
    methods: &'static str,
    headers: &'static str,
    out: &mut HeaderMap,
) {
    if request.contains_key(ORIGIN) && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        out.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        out.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(headers));
        out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    }
}
