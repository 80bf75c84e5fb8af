//! The pages that may send requests.

use super::*;

const FRIEND: &str = "Origin: https://friend.example\r\n";

#[tokio::test]
async fn page_of_an_allowed_origin_may_read_the_response() {
    let setup = setup().await;
    for request in [
        get("now", FRIEND),
        get("now", &format!("{FRIEND}Accept: text/event-stream\r\n")),
        get("close", FRIEND),
        get("refused", FRIEND),
        post("any", FRIEND, "hello"),
        post("any", FRIEND, "nothing"),
        post("any", FRIEND, &"x".repeat(100_000)),
    ] {
        let response = setup.server.raw().await.request(&request).await;
        assert_eq!(response.header("access-control-allow-origin"), Some("https://friend.example"));
        assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(response.header("vary"), Some("origin"));
        assert!(response.header("cache-control").is_some_and(|value| value.contains("no-store")));
    }
    let response = setup.get("now").await;
    assert_eq!(response.header("access-control-allow-origin"), None, "no page of another origin");
}

#[tokio::test]
async fn page_of_another_origin_is_refused() {
    let mut setup = setup().await;
    for header in [
        "Origin: https://evil.example\r\n",
        "Origin: http://friend.example\r\n",
        "Origin: null\r\n",
        // The host of the request is not in the list.
        "Origin: http://server.example.com\r\n",
        "Origin: https://friend.example\r\nOrigin: https://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        let events = format!("{header}Accept: text/event-stream\r\n");
        let preflight = get("now", &format!("{header}Access-Control-Request-Method: POST\r\n"));
        for request in [
            get("now", header),
            get("now", &events),
            post("any", header, "hello"),
            preflight.replace("GET ", "OPTIONS "),
        ] {
            let response = setup.server.raw().await.request(&request).await;
            assert_eq!(response.status, 403, "{request}");
            assert_eq!(response.header("access-control-allow-origin"), None);
            assert_eq!(response.header("access-control-allow-methods"), None);
        }
    }
    assert!(setup.reasons.try_recv().is_err(), "no handler was made");
    for site in ["same-origin", "none"] {
        let request = get("now", &format!("Sec-Fetch-Site: {site}\r\n"));
        assert_eq!(setup.server.raw().await.request(&request).await.status, 200);
    }
}

#[tokio::test]
async fn preflight_allows_what_the_client_sends() {
    let setup = setup().await;
    let preflight = format!(
        "{FRIEND}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-socket-transport\r\n"
    );
    let request = get("now", &preflight).replace("GET ", "OPTIONS ");
    let response = setup.server.raw().await.request(&request).await;
    assert_eq!((response.status, response.body.as_str()), (204, ""));
    for (name, value) in [
        ("access-control-allow-origin", "https://friend.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, POST"),
        (
            "access-control-allow-headers",
            "content-type, last-event-id, ws-core-session, ws-core-protocols, x-socket-transport",
        ),
        ("access-control-max-age", "600"),
        ("allow", "GET, POST, OPTIONS"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    let response = setup.server.raw().await.request(&get("now", "").replace("GET ", "OPTIONS ")).await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-methods"), None);
}
