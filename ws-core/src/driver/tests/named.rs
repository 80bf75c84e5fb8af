//! Named messages and calls: dispatch by name, arguments, answers and batches.

use std::time::Duration;

use tokio::time::sleep;

use super::peer::{Log, Peer, connect, connect_with, options};
use crate::Incoming;
use crate::prelude::*;

mod batches;
mod envelopes;
mod failures;
mod sends;

/// An error of the application.
struct DivisionByZero(i64);

impl From<DivisionByZero> for CallError {
    fn from(DivisionByZero(dividend): DivisionByZero) -> Self {
        Self::new(-32000, "division by zero").with_data(&serde_json::json!({ "dividend": dividend }))
    }
}

type Answer<T> = Result<T, DivisionByZero>;

#[derive(serde::Deserialize)]
struct Order {
    id: u32,
    #[serde(default)]
    express: bool,
}

/// A result that does not serialize.
struct Broken;

impl serde::Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no luck"))
    }
}

#[websocket(envelope = JsonRpc, idle_timeout = none, ping_interval = none, max_deferred = 3)]
struct Board {
    log: Log,
    calls: u32,
}

#[websocket]
impl Board {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        self.calls += 1;
        a + b
    }

    #[on_call]
    fn divide(&mut self, a: i64, cx: &mut Context<Self>, b: i64) -> Answer<i64> {
        let _ = cx.buffered();
        a.checked_div(b).ok_or(DivisionByZero(a))
    }

    #[on_call("text.shout")]
    fn shout(&mut self, text: &str, times: Option<usize>) -> String {
        text.to_uppercase().repeat(times.unwrap_or(1))
    }

    #[on_call]
    fn name(&mut self, first: &str, second: Option<&str>) -> String {
        format!("{first} {}", second.unwrap_or("none"))
    }

    #[on_call]
    async fn wait(&mut self, seconds: u64) -> u64 {
        sleep(Duration::from_secs(seconds)).await;
        seconds
    }

    #[on_call]
    #[expect(clippy::needless_lifetimes, reason = "the macro handles named lifetimes too")]
    async fn length<'a>(&mut self, text: &'a str) -> usize {
        sleep(Duration::from_secs(1)).await;
        text.len()
    }

    #[on_call]
    fn later(&mut self, seconds: u64) -> Deferred<Answer<u64>> {
        Deferred::new(async move {
            sleep(Duration::from_secs(seconds)).await;
            if seconds == 7 { Err(DivisionByZero(7)) } else { Ok(seconds) }
        })
    }

    #[on_call]
    fn later_text(&mut self, text: String) -> Deferred<String> {
        Deferred::new(async move { text })
    }

    #[on_call]
    fn order(&mut self, Params(order): Params<Order>) -> (u32, bool) {
        (order.id, order.express)
    }

    #[on_call]
    fn nothing(&mut self) {}

    #[on_call]
    fn broken(&mut self) -> Broken {
        Broken
    }

    #[on_call]
    fn panic(&mut self) -> i64 {
        panic!("out of order")
    }

    #[on_call]
    fn leave(&mut self, cx: &mut Context<Self>) -> &'static str {
        cx.close(4000);
        "too late"
    }

    #[on_message]
    fn typing(&mut self, room: String, _who: Option<String>) {
        self.log.send(format!("typing in {room}")).unwrap();
    }

    #[on_message]
    async fn slow(&mut self) -> Pong {
        sleep(Duration::from_secs(1)).await;
        Pong::default()
    }

    #[on_message("ping me")]
    fn ping(&mut self) -> Ping {
        Ping::default()
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        let _ = self.log.send(format!("{reason:?}"));
    }
}

fn board() -> Peer {
    connect_with(8192, options::<Board>(|_| ()), |log| Board { log, calls: 0 })
}

impl Peer {
    /// Sends a call and checks its answer: the member `result` or `error`.
    #[track_caller]
    fn check<'a>(
        &'a mut self,
        name: &'a str,
        params: &'a str,
        expect: &'a str,
    ) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let params = if params.is_empty() { String::new() } else { format!(r#","params":{params}"#) };
            self.send(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{name}"{params}}}"#)).await;
            let answer = self.text().await;
            let expect = format!(r#"{{"jsonrpc":"2.0",{expect},"id":1}}"#);
            assert_eq!(answer, expect, "{at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_answered() {
    let mut peer = board();
    peer.check("add", "[1,2]", r#""result":3"#).await;
    peer.check("add", r#"{"b":1,"a":-2,"more":[{}]}"#, r#""result":-1"#).await;
    peer.check("divide", "[7,2]", r#""result":3"#).await;
    peer.check(
        "divide",
        "[7,0]",
        r#""error":{"code":-32000,"message":"division by zero","data":{"dividend":7}}"#,
    )
    .await;
    peer.check("text.shout", r#"["a"]"#, r#""result":"A""#).await;
    peer.check("text.shout", r#"{"text":"a","times":3}"#, r#""result":"AAA""#).await;
    peer.check("text.shout", r#"["\u0061\n"]"#, r#""result":"A\n""#).await;
    peer.check("name", r#"["\u0061"]"#, r#""result":"a none""#).await;
    peer.check("name", r#"["\u0061", "b\\c"]"#, r#""result":"a b\\c""#).await;
    peer.check("text.shout", r#"{"text":"a","times":null}"#, r#""result":"A""#).await;
    peer.check("order", r#"{"id":5}"#, r#""result":[5,false]"#).await;
    peer.check("order", r#"{"id":5,"express":true}"#, r#""result":[5,true]"#).await;
    peer.check("order", "[6,true]", r#""result":[6,true]"#).await;
    peer.check("nothing", "", r#""result":null"#).await;
    peer.check("nothing", "[]", r#""result":null"#).await;
}

#[tokio::test(start_paused = true)]
async fn async_methods_answer() {
    let mut peer = board();
    peer.check("wait", "[5]", r#""result":5"#).await;
    peer.check("length", r#"["\u00e4b"]"#, r#""result":3"#).await;
    peer.check("length", r#"["abc"]"#, r#""result":3"#).await;
    peer.check("length", "[]", r#""error":{"code":-32602,"message":"parameter `text` is missing"}"#).await;
}

/// Later calls are answered first, and the errors of deferred results are answers too.
#[tokio::test(start_paused = true)]
async fn deferred_answers_are_sent_when_they_are_ready() {
    let mut peer = board();
    for (id, seconds) in [(1, 9), (2, 7), (3, 5)] {
        peer.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"later","params":[{seconds}]}}"#)).await;
    }
    // Beyond `max_deferred`, which is three. A message without an id is ignored.
    peer.send(r#"{"jsonrpc":"2.0","method":"later","params":[3]}"#).await;
    peer.check(
        "later_text",
        r#"["x"]"#,
        r#""error":{"code":-32603,"message":"too many calls of this connection are under way"}"#,
    )
    .await;
    assert_eq!(peer.text().await, r#"{"jsonrpc":"2.0","result":5,"id":3}"#);
    let failed = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"division by zero","data":{"dividend":7}},"id":2}"#;
    assert_eq!(peer.text().await, failed);
    peer.check("later_text", r#"["x"]"#, r#""result":"x""#).await;
    assert_eq!(peer.text().await, r#"{"jsonrpc":"2.0","result":9,"id":1}"#);
}

#[tokio::test(start_paused = true)]
async fn wrong_calls_get_errors_and_the_connection_lives() {
    let mut peer = board();
    let mut invalid = async |name: &str, params: &str, text: &str| {
        peer.check(name, params, &format!(r#""error":{{"code":-32602,"message":"{text}"}}"#)).await;
    };
    invalid("add", "", "parameter `a` is missing").await;
    invalid("add", "[1]", "parameter `b` is missing").await;
    invalid("add", r#"{"b":1}"#, "parameter `a` is missing").await;
    let at = "at line 1 column 7";
    invalid("add", "[1,2,3]", &format!("invalid parameters: more than 2 parameters {at}")).await;
    let text =
        "invalid parameters: parameter `a`: invalid type: string \\\"1\\\", expected i64 at line 1 column 4";
    invalid("add", r#"["1",2]"#, text).await;
    let text = "invalid parameters: parameter `a` is there twice at line 1 column 11";
    invalid("add", r#"{"a":1,"a":2,"b":3}"#, text).await;
    invalid("nothing", "[1]", "invalid parameters: more than 0 parameters at line 1 column 3").await;
    invalid("order", "", "invalid parameters: invalid type: null, expected struct Order at line 1 column 4")
        .await;

    peer.check("none", "[1]", r#""error":{"code":-32601,"message":"method `none` not found"}"#).await;
    let long = "x".repeat(4000);
    let short = &long[..64];
    peer.check(&long, "", &format!(r#""error":{{"code":-32601,"message":"method `{short}` not found"}}"#))
        .await;
    let text = "method `typing` takes messages without an answer: send it without an id";
    peer.check("typing", r#"["lobby"]"#, &format!(r#""error":{{"code":-32601,"message":"{text}"}}"#)).await;
    let text = "the result does not serialize";
    peer.check("broken", "", &format!(r#""error":{{"code":-32603,"message":"{text}"}}"#)).await;
    peer.check("add", "[1,2]", r#""result":3"#).await;
}

/// A message runs its method, also one that answers calls, and has no answer itself.
#[tokio::test(start_paused = true)]
async fn messages_are_not_answered() {
    let mut peer = board();
    let messages = [
        r#"{"jsonrpc":"2.0","method":"typing","params":["lobby"]}"#,
        r#"{"jsonrpc":"2.0","method":"typing","params":{"room":"attic","who":"me"}}"#,
        r#"{"jsonrpc":"2.0","method":"add","params":[1,2]}"#,
        r#"{"jsonrpc":"2.0","method":"add","params":["wrong"]}"#,
        r#"{"jsonrpc":"2.0","method":"typing"}"#,
        r#"{"jsonrpc":"2.0","method":"none"}"#,
        r#"{"jsonrpc":"2.0","method":"wait","params":[1]}"#,
        r#"{"jsonrpc":"2.0","method":"later","params":[1]}"#,
        r#"{"jsonrpc":"2.0","method":"broken"}"#,
        r#"{"jsonrpc":"2.0","id":17,"result":true}"#,
    ];
    for message in messages {
        peer.send(message).await;
    }
    peer.check("add", "[1,2]", r#""result":3"#).await;
    assert_eq!(peer.event().await, "typing in lobby");
    assert_eq!(peer.event().await, "typing in attic");
    peer.send(r#"{"jsonrpc":"2.0","method":"ping me"}"#).await;
    assert_eq!(peer.frame().await.unwrap().opcode, 9);
    peer.send(r#"{"jsonrpc":"2.0","method":"slow"}"#).await;
    assert_eq!(peer.frame().await.unwrap().opcode, 10);
}

/// A panic closes the connection, and a call after a close is not answered.
#[tokio::test(start_paused = true)]
async fn calls_end_with_the_connection() {
    let mut peer = board();
    peer.send(r#"{"jsonrpc":"2.0","id":1,"method":"panic"}"#).await;
    assert_eq!(peer.frame().await.unwrap().opcode, 8);

    let mut peer = board();
    peer.send(r#"{"jsonrpc":"2.0","id":1,"method":"leave"}"#).await;
    peer.send(r#"{"jsonrpc":"2.0","id":1,"method":"add","params":[1,2]}"#).await;
    let close = peer.frame().await.unwrap();
    assert_eq!((close.opcode, &close.payload[..2]), (8, &4000_u16.to_be_bytes()[..]));
}

#[websocket(envelope = Tagged(tag = "event", content = "data"), idle_timeout = none, ping_interval = none)]
struct Mixed(Log);

#[websocket]
impl Mixed {
    #[on_message]
    fn typing(&mut self, room: &str) -> Message {
        Message::from(format!("in {room}"))
    }

    #[on_message]
    async fn slow(&mut self, _seconds: u64) {}

    #[on_text]
    fn other(&mut self, text: &str) -> String {
        format!("other {text}")
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) -> String {
        self.0.send(error.to_string()).unwrap();
        error.to_string()
    }
}

/// Parameters that do not fit a message go to `#[on_error]`, if there is one.
#[tokio::test(start_paused = true)]
async fn wrong_parameters_of_a_message_are_an_error_of_the_handler() {
    let mut peer = connect(Mixed);
    peer.send(r#"{"event":"typing","data":{"room":"lobby"}}"#).await;
    assert_eq!(peer.text().await, "in lobby");
    for params in ["{}", "[]", "null"] {
        peer.send(&format!(r#"{{"event":"typing","data":{params}}}"#)).await;
        let missing = "payload does not decode: parameter `room` is missing (code -32602)";
        assert_eq!(peer.event().await, missing, "{params}");
        assert!(peer.text().await.contains("missing"));
    }
    peer.send(r#"{"event":"slow","data":[true]}"#).await;
    assert!(peer.text().await.contains("expected u64"));
    peer.send(r#"{"event":"none","data":{}}"#).await;
    peer.send(r#"{"event":"typing","data":["attic"]}"#).await;
    assert_eq!(peer.text().await, "in attic");
}
