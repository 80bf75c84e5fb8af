use super::*;

#[test]
fn event_stream_is_found_in_accept() {
    let accepts = |lines: &[&'static str]| {
        let mut headers = HeaderMap::new();
        lines.iter().for_each(|line| _ = headers.append(ACCEPT, HeaderValue::from_static(line)));
        accepts_events(&headers)
    };
    assert!(accepts(&["text/event-stream"]));
    assert!(accepts(&["text/html, Text/Event-Stream;q=0.5"]));
    assert!(accepts(&["*/*", "text/event-stream"]));
    for other in ["*/*", "text/*", "text/event-streams", "application/json; x=text/event-stream", ""] {
        assert!(!accepts(&[other]), "{other}");
    }
    assert!(!accepts(&[]));
}

#[test]
fn end_without_a_message_has_a_status() {
    let status = |code| closed(&ServerClose { code, reason: String::new() }).status().as_u16();
    let codes = [1000, 1001, 4000, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013];
    let expect = [204, 204, 204, 500, 415, 400, 429, 413, 500, 503, 503];
    assert_eq!(codes.map(|code| status(Some(code))), expect);
    assert_eq!(status(None), 204);
}
