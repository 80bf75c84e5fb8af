//! Who may open an inspector, and what others get.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Requests a path and returns the status, the headers and the body.
async fn get(router: &Router, request: Request<Body>) -> (u16, hyper::HeaderMap, String) {
    let response = router.clone().call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

fn request(path: &str, peer: Option<&str>, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(PeerAddr(peer.parse().unwrap()));
    }
    request
}

const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Checks that an inspector without a guard admits a request, or answers like for an unknown path, both for the page and
/// for the socket.
#[track_caller]
fn check(peer: Option<&str>, headers: &[(&str, &str)], is_admitted: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let router = router(Inspector::local());
        let page = get(&router, request("/_ws", peer, headers)).await;
        let unknown = get(&router, request("/unknown", peer, headers)).await;
        assert_eq!(page.0, if is_admitted { 200 } else { 404 }, "{peer:?} {headers:?}");
        assert_eq!(page == unknown, !is_admitted);
        let handshake = [headers, &HANDSHAKE].concat();
        let socket = get(&router, request("/_ws", peer, &handshake)).await;
        let unknown = get(&router, request("/unknown", peer, &handshake)).await;
        // An admitted handshake fails later, because this request has no stream.
        assert_eq!(socket.0, if is_admitted { 500 } else { 404 }, "{peer:?} {headers:?}");
        assert_eq!(socket == unknown, !is_admitted);
    });
}

#[test]
fn without_a_guard_only_this_machine_is_admitted() {
    let host = ("host", "localhost:8080");
    for peer in ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        check(Some(peer), &[host], true);
    }
    for peer in ["10.0.0.1:1", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:1", "0.0.0.0:1"] {
        check(Some(peer), &[host], false);
    }
    check(None, &[host], false);
}

#[test]
fn without_a_guard_proxies_are_refused() {
    for header in [
        ("forwarded", "for=127.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("X-Forwarded-Anything", ""),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 proxy"),
    ] {
        check(Some("127.0.0.1:1"), &[("host", "localhost"), header], false);
    }
    let mut old = request("/_ws", Some("127.0.0.1:1"), &[("host", "localhost")]).into_parts().0;
    assert_eq!(check_local(&old), Ok(()));
    old.version = hyper::Version::HTTP_10;
    assert!(check_local(&old).is_err());
}

#[cfg(feature = "proxy-protocol")]
#[tokio::test]
async fn without_a_guard_the_address_of_a_proxy_is_refused() {
    let router = router(Inspector::local()).proxy_protocol(["127.0.0.1"]);
    for (peer, status) in [("127.0.0.1:1", 404), ("127.0.0.2:1", 200)] {
        let page = request("/_ws", Some(peer), &[("host", "localhost")]);
        assert_eq!(get(&router, page).await.0, status, "{peer}");
    }
}

#[test]
fn without_a_guard_the_host_is_this_machine() {
    for host in ["localhost", "LOCALHOST:8080", "app.localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]:8080"]
    {
        check(Some("127.0.0.1:1"), &[("host", host)], true);
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "127.0.0.1.evil.example",
        "[::2]",
        "",
        "xlocalhost",
    ] {
        check(Some("127.0.0.1:1"), &[("host", host)], false);
    }
    check(Some("127.0.0.1:1"), &[], false);
    check(Some("127.0.0.1:1"), &[("host", "localhost"), ("host", "evil.example")], false);
}

#[tokio::test]
async fn page_of_another_origin_gets_no_socket() {
    let router = router(Inspector::local());
    for (origin, status) in
        [("http://localhost:8080", 500), ("http://localhost:3000", 403), ("https://evil.example", 403)]
    {
        let headers = [&HANDSHAKE[..], &[("host", "localhost:8080"), ("origin", origin)]].concat();
        assert_eq!(get(&router, request("/_ws", Some("127.0.0.1:1"), &headers)).await.0, status, "{origin}");
    }
}

#[tokio::test]
async fn page_has_a_policy_and_is_not_stored() {
    let router = router(Inspector::local());
    let local = || request("/_ws", Some("127.0.0.1:1"), &[("host", "localhost")]);
    let (_, headers, body) = get(&router, local()).await;
    assert_eq!(headers["content-security-policy"].to_str().unwrap(), POLICY);
    assert_eq!(
        (&headers["cache-control"], &headers["referrer-policy"]),
        (&"no-store".parse().unwrap(), &"no-referrer".parse().unwrap())
    );
    assert!(body.starts_with("<!doctype html>") && body.len() < 60_000, "{}", body.len());
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(POLICY.contains(part), "{POLICY}");
    }
    assert!(!POLICY.contains("unsafe") && !POLICY.contains("ws:"), "{POLICY}");
    let mut post = local();
    *post.method_mut() = hyper::Method::POST;
    assert_eq!(get(&router, post).await.0, 405);
}

#[tokio::test]
async fn refused_request_gets_the_fallback() {
    let pages = axum::Router::new().fallback(async || (StatusCode::IM_A_TEAPOT, "a page"));
    let router = router(Inspector::local()).fallback(pages);
    assert_eq!(get(&router, request("/_ws", None, &[])).await.2, "a page");
    assert_eq!(get(&router, request("/_ws", None, &HANDSHAKE)).await.0, 418);
    assert_eq!(get(&router, request("/unknown", None, &HANDSHAKE)).await.0, 418);
}

#[tokio::test(start_paused = true)]
async fn guards_are_functions_sync_or_async() {
    fn sync(request: &Parts) -> Permission {
        if request.uri.query() == Some("yes") { Permission::Look } else { Permission::Deny }
    }
    let asynchronous = |request: &Parts| {
        let peer = request.extensions.get::<PeerAddr>().copied();
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if peer.is_some() { Permission::Act } else { Permission::Deny }
        }
    };
    let status = async |router: &Router, path: &str, peer| get(router, request(path, peer, &[])).await.0;
    let router = Router::new().inspect("/_ws", sync).inspect("/_async", asynchronous);
    let router: Router = router;
    // With a guard, neither the address nor `Host` matters.
    assert_eq!(
        (status(&router, "/_ws?yes", None).await, status(&router, "/_ws", Some("127.0.0.1:1")).await),
        (200, 404)
    );
    assert_eq!(
        (status(&router, "/_async", Some("10.0.0.1:1")).await, status(&router, "/_async", None).await),
        (200, 404)
    );
}

#[tokio::test(start_paused = true)]
async fn guard_that_panics_or_hangs_denies() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let panics = move |_: &Parts| -> Permission {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("on purpose")
    };
    let panics_later = |_: &Parts| async { panic!("on purpose") };
    let hangs = |_: &Parts| std::future::pending::<Permission>();
    let router = Router::new().inspect("/a", panics).inspect("/b", panics_later).inspect("/c", hangs);
    let router: Router = router.handshake_timeout(Duration::from_secs(3));
    let begin = tokio::time::Instant::now();
    for path in ["/a", "/b", "/c"] {
        assert_eq!(get(&router, request(path, None, &[])).await.0, 404, "{path}");
    }
    assert_eq!((calls.load(Ordering::Relaxed), begin.elapsed()), (1, Duration::from_secs(3)));
}

#[tokio::test]
async fn inspector_is_no_part_of_the_contract_and_precedes_parameters() {
    #[websocket(path = "/{_any}")]
    #[derive(Default)]
    struct Any;
    #[websocket]
    impl Any {
        #[on_text]
        fn ignore(&mut self, _: &str) {}
    }
    let router: Router = Router::new().mount::<Any>().inspect("/_ws", Inspector::local());
    assert_eq!(get(&router, request("/_ws", Some("127.0.0.1:1"), &[("host", "localhost")])).await.0, 200);
    assert_eq!(router.contract().handlers.len(), 1);
}

#[test]
#[should_panic(expected = "cannot serve the inspector at \"/rooms/{room}\"")]
fn path_has_no_parameters() {
    let _: Router = Router::new().inspect("/rooms/{room}", Inspector::local());
}

#[test]
#[should_panic(expected = "cannot serve the inspector at \"/_ws\"")]
fn path_is_free() {
    let _: Router = Router::new().inspect("/_ws", Inspector::local()).inspect("/_ws", Inspector::local());
}
