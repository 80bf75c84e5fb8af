//! Batches whose methods lead to other states: each entry finds the state that those before it led to.

use super::*;

fn call(id: u32, name: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{name}","params":{params}}}"#)
}

fn message(name: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{name}","params":{params}}}"#)
}

/// Returns an answer, with its member `result` or `error`.
fn answer(id: u32, member: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0",{member},"id":{id}}}"#)
}

fn batch(entries: &[String]) -> String {
    format!("[{}]", entries.join(","))
}

#[tokio::test(start_paused = true)]
async fn each_entry_finds_the_state_of_those_before_it() {
    let mut peer = visitor();
    let start = Instant::now();
    let entries = [
        call(1, "status", "[]"),
        call(2, "login", r#"["slow"]"#),
        call(3, "status", r#"["I am"]"#),
        message("note", "[7]"),
        call(4, "login", r#"["bob"]"#),
        call(5, "logout", "[]"),
        "7".to_owned(),
        call(6, "status", "[]"),
        message("enter", r#"["bob"]"#),
        call(7, "status", r#"["I am"]"#),
        call(8, "lock", "[true]"),
    ];
    peer.send(&batch(&entries)).await;
    // A message beside the batch waits for its transitions.
    peer.send(&call(9, "number", "[]")).await;
    peer.expect(&["enter slow", "note 7 of slow", "entered", "enter bob"]).await;
    let answers = [
        answer(1, r#""result":"visitor""#),
        answer(2, r#""result":{"name":"slow"}"#),
        answer(3, r#""result":["I am slow",0]"#),
        answer(4, &wrong_state("login", "User")),
        answer(5, r#""result":null"#),
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"},"id":null}"#.to_owned(),
        answer(6, r#""result":"visitor""#),
        answer(7, r#""result":["I am bob",0]"#),
        answer(8, r#""result":null"#),
    ];
    peer.expect(&[&batch(&answers), &answer(9, &wrong_state("number", "Locked"))]).await;
    assert_eq!(start.elapsed().as_secs(), 1);
}

/// An async method, and a deferred answer, lead to the state in a batch.
#[tokio::test(start_paused = true)]
async fn async_and_deferred_methods_lead_to_a_state() {
    let mut peer = visitor();
    let entries = [
        call(1, "later", "[2]"),
        call(2, "login.slow", r#"["alice"]"#),
        call(3, "number", "[]"),
        call(4, "logout", "[]"),
        call(5, "login.later", r#"["bob"]"#),
        call(6, "number", "[]"),
    ];
    peer.send(&batch(&entries)).await;
    peer.expect(&["enter alice"]).await;
    let answers = peer.text().await;
    let ids: Vec<serde_json::Value> = serde_json::from_str(&answers).unwrap();
    let mut ids: Vec<_> =
        ids.iter().map(|answer| (answer["id"].as_u64(), answer["result"].clone())).collect();
    ids.sort_by_key(|(id, _)| *id);
    let results: Vec<_> = ids.into_iter().map(|(_, result)| result).collect();
    assert_eq!(serde_json::Value::from(results).to_string(), "[2,0,1,null,3,0]", "{answers}");
    peer.expect(&["enter bob"]).await;
}

/// The first failure goes to `#[on_error]` after the batch, also if it is older than a transition.
#[tokio::test(start_paused = true)]
async fn failure_before_a_transition_follows_the_batch() {
    let mut peer = visitor();
    let entries = [message("note", "[5]"), call(1, "login", r#"["alice"]"#), call(2, "number", "[]")];
    peer.send(&batch(&entries)).await;
    let answers = [answer(1, r#""result":{"name":"alice"}"#), answer(2, r#""result":1"#)];
    peer.expect(&["enter alice", &batch(&answers)]).await;
    assert!(peer.text().await.starts_with("payload does not decode: invalid parameters: parameter `text`"));
    peer.check_call("number", "[]", r#""result":1"#).await;
}

#[tokio::test(start_paused = true)]
async fn close_in_a_transition_ends_the_batch() {
    let mut peer = visitor();
    let entries = [
        call(1, "login", r#"["sticky"]"#),
        call(2, "logout", "[]"),
        call(3, "number", "[]"),
        message("note", r#"["lost"]"#),
    ];
    peer.send(&batch(&entries)).await;
    peer.expect(&["enter sticky"]).await;
    assert_eq!(peer.closed().await, 4001);
    assert_eq!(peer.events().await, Vec::<String>::new());
}

/// Without an async method, and with a client that sends a close behind the batch.
#[websocket(envelope = JsonRpc, idle_timeout = none, ping_interval = none)]
enum Lamp {
    Off(Off),
    On(On),
}

struct Off(u32);

struct On(u32);

#[websocket]
impl Lamp {
    #[on_call("switch")]
    fn switch_on(off: &mut Off) -> (u32, Goto<On>) {
        (off.0, Goto(On(off.0 + 1)))
    }

    #[on_call("switch")]
    fn switch_off(on: &mut On) -> (u32, Goto<Off>) {
        (on.0, Goto(Off(on.0 + 1)))
    }

    /// Leads on without end, if the number is large.
    #[on_enter]
    fn enter_on(on: &mut On) -> Option<Goto<On>> {
        (on.0 > 100).then_some(Goto(On(on.0)))
    }
}

#[tokio::test(start_paused = true)]
async fn sync_methods_lead_to_states() {
    let mut peer = connect(|_| Lamp::Off(Off(0)));
    let entries: Vec<_> = (0..60).map(|id| call(id, "switch", "[]")).collect();
    let mut all = frame(0x81, batch(&entries[..3]).as_bytes());
    all.extend(frame(0x81, batch(&entries[3..]).as_bytes()));
    all.extend(frame(0x88, &1000u16.to_be_bytes()));
    peer.raw(&all).await;
    let answers: Vec<_> = (0..60).map(|id| answer(id, &format!(r#""result":{id}"#))).collect();
    peer.expect(&[&batch(&answers[..3]), &batch(&answers[3..])]).await;
    assert_eq!(peer.closed().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn transitions_without_end_close_in_the_middle_of_a_batch() {
    let mut peer = connect(|_| Lamp::Off(Off(100)));
    let entries: Vec<_> = (0..3).map(|id| call(id, "switch", "[]")).collect();
    peer.send(&batch(&entries)).await;
    assert_eq!(peer.closed().await, 1011);
}
