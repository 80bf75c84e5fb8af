//! Headers with which a browser lets the pages of other origins read a response (the Fetch standard, §3.3).

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL,
    HeaderMap, HeaderValue, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
};

/// How long a browser may remember the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// Adds the headers of a response to `out`. A page may read the response, with cookies in its request, if the check
/// of the handshake allows the page's origin. No cache keeps a response that does not allow it: the status, for
/// example 405 or 410 (RFC 9110 §15.1), would be that of later requests.
pub(crate) fn add_headers(request: &HeaderMap, is_allowed: bool, out: &mut HeaderMap) {
    out.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    out.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cache_keeps_an_error() {
        let mut out = HeaderMap::new();
        add_headers(&HeaderMap::new(), false, &mut out);
        assert_eq!(out[CACHE_CONTROL], "no-store");
        assert_eq!(out[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(out[VARY], "origin");
        assert_eq!(out.len(), 3);
        // The handler's own choice remains.
        let mut out = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("max-age=60"))]);
        add_headers(&HeaderMap::new(), true, &mut out);
        assert_eq!(out.get_all(CACHE_CONTROL).iter().collect::<Vec<_>>(), ["max-age=60"]);
    }

    #[test]
    fn only_an_allowed_origin_may_read() {
        let request = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://a.example"))]);
        for is_allowed in [true, false] {
            let mut out = HeaderMap::new();
            add_headers(&request, is_allowed, &mut out);
            let origin = is_allowed.then_some("https://a.example");
            assert_eq!(out.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap()), origin);
            assert_eq!(out.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS), is_allowed);
        }
        // A preflight has both headers.
        let mut out = HeaderMap::new();
        add_preflight_headers(&request, "GET", "x-a", &mut out);
        assert!(out.is_empty());
    }
}
