//! Batches: their entries run in order, and their answers are sent together.

use super::*;

/// Returns a call for a batch.
pub(super) fn call(id: u32, name: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{name}","params":{params}}}"#)
}

pub(super) fn message(name: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{name}","params":{params}}}"#)
}

pub(super) fn result(id: u32, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","result":{result},"id":{id}}}"#)
}

#[track_caller]
pub(super) fn batch(entries: &[String]) -> String {
    format!("[{}]", entries.join(","))
}

#[tokio::test(start_paused = true)]
async fn answers_are_sent_together() {
    let mut peer = board();
    let entries = [
        call(1, "add", "[1,2]"),
        message("typing", r#"["lobby"]"#),
        "7".to_owned(),
        call(2, "none", "[]"),
        call(3, "divide", "[1,1]"),
    ];
    peer.send(&batch(&entries)).await;
    let answer = peer.text().await;
    let errors: Vec<serde_json::Value> = serde_json::from_str(&answer).unwrap();
    let codes: Vec<_> = errors.iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [None, Some(-32600), Some(-32601), None], "{answer}");
    assert_eq!(peer.event().await, "typing in lobby");
}

/// Entries after an async method wait for it; deferred results hold up none, and the array waits for them.
#[tokio::test(start_paused = true)]
async fn async_and_deferred_answers_join_the_array() {
    let mut peer = board();
    let entries = [
        call(1, "later", "[100]"),
        call(2, "wait", "[5]"),
        message("slow", "[]"),
        call(3, "length", r#"["abc"]"#),
        message("typing", r#"["lobby"]"#),
        call(4, "add", "[1,2]"),
        call(5, "later", "[1]"),
        "{}".to_owned(),
    ];
    let start = tokio::time::Instant::now();
    peer.send(&batch(&entries)).await;
    assert_eq!(peer.frame().await.unwrap().opcode, 10);
    assert_eq!(start.elapsed(), Duration::from_secs(6));
    // A call beside the batch is answered before it.
    peer.check("add", "[2,2]", r#""result":4"#).await;
    assert_eq!(peer.event().await, "typing in lobby");
    let invalid = r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"invalid request"},"id":null}"#;
    let answer = peer.text().await;
    let expect = [
        result(2, "5"),
        result(3, "3"),
        result(4, "3"),
        invalid.to_owned(),
        result(5, "1"),
        result(1, "100"),
    ];
    let ids = |text: &str| -> Vec<serde_json::Value> {
        let answers: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        answers.into_iter().map(|answer| answer["id"].clone()).collect()
    };
    assert_eq!(ids(&answer), ids(&batch(&expect)), "{answer}");
    assert_eq!(start.elapsed(), Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn messages_alone_have_no_answer() {
    let mut peer = board();
    let messages = [message("typing", r#"["lobby"]"#), message("wait", "[1]"), message("add", "[1,2]")];
    peer.send(&batch(&messages)).await;
    peer.check("add", "[1,2]", r#""result":3"#).await;
}

/// Results that do not serialize are errors in the array, and leave no half-written text.
#[tokio::test(start_paused = true)]
async fn a_result_that_does_not_serialize_is_an_entry() {
    let mut peer = board();
    peer.send(&batch(&[call(1, "broken", "[]"), call(2, "add", "[1,2]")])).await;
    let error =
        r#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"the result does not serialize"},"id":1}"#;
    assert_eq!(peer.text().await, batch(&[error.to_owned(), result(2, "3")]));
}

/// Answers of a batch take no more memory than the outbox may.
#[tokio::test(start_paused = true)]
async fn answers_beyond_the_limit_of_the_outbox_close_the_connection() {
    let options = options::<Board>(|options| {
        options.outbox_high_water = 100;
        options.outbox_limit = 1000;
    });
    let mut peer = connect_with(8192, options, |log| Board { log, calls: 0 });
    let shout = call(1, "text.shout", r#"["abcdefghij",60]"#);
    peer.send(&batch(std::slice::from_ref(&shout))).await;
    assert!(peer.text().await.len() > 600);
    peer.send(&batch(&[shout.clone(), shout])).await;
    assert_eq!(peer.frame().await.unwrap().opcode, 8);
    assert_eq!(peer.event().await, "Overflow");
}

/// A close in the middle of a batch drops the calls after it.
#[tokio::test(start_paused = true)]
async fn a_close_ends_the_batch() {
    let mut peer = board();
    let entries = [call(1, "wait", "[1]"), call(2, "leave", "[]"), message("typing", r#"["lobby"]"#)];
    peer.send(&batch(&entries)).await;
    let close = peer.frame().await.unwrap();
    assert_eq!((close.opcode, &close.payload[..2]), (8, &4000_u16.to_be_bytes()[..]));
    peer.close(4000).await;
    assert_eq!(peer.event().await, "Stop(Close { code: Library(4000), reason: Utf8Bytes(b\"\") })");
}
