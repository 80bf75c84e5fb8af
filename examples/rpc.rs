//! A server of JSON-RPC 2.0, with methods that answer later, notifications, and a call to the client.
//!
//! Run it with `cargo run --example rpc` and open <http://127.0.0.1:8080>, or connect any client of JSON-RPC 2.0 to
//! `ws://127.0.0.1:8080/rpc`. The first argument is another address to listen on. `tests/interop` runs it with
//! clients of npm and of Rust.

mod page;
#[path = "rpc/sample.rs"]
mod sample;

use sample::Sample;
use serde_json::Number;
use serde_json::value::RawValue;
use ws_core::Messages;
use ws_core::prelude::*;

/// What the server asks its client: the method `answer(question)`.
#[derive(Call, serde::Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
#[call("answer", returns = Box<RawValue>)]
struct Question {
    question: String,
}

#[derive(serde::Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
struct DivisionByZero {
    dividend: Number,
}

impl From<DivisionByZero> for CallError {
    fn from(error: DivisionByZero) -> Self {
        Self::new(-32000, "division by zero").with_data(&error)
    }
}

#[cfg(feature = "contract")]
impl ws_core::contract::CallErrors for DivisionByZero {
    fn describe_errors(errors: &mut ws_core::contract::ErrorList<'_>) {
        errors.add_with_data::<Self>(-32000, "division by zero");
    }
}

/// What the server sends by itself: the notification `tick {"n": …}`.
#[derive(Messages, serde::Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
enum Event {
    Tick { n: u64 },
}

/// A message of the clock to the handler.
#[derive(Clone)]
struct Tick;

/// Pages of every origin may connect, because this handler has neither users nor data.
#[websocket(path = "/rpc", envelope = JsonRpc, sends = Event, origins = any, max_deferred = 10_000)]
#[derive(Default)]
struct Rpc {
    clock: Option<TimerId>,
    ticks: u64,
}

// With the feature `contract`, what the handler takes and sends is kept in `contract/rpc.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(feature = "contract", websocket(contract(calls = [Question])))]
impl Rpc {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> Result<i64, CallError> {
        a.checked_add(b).ok_or(CallError::invalid_params("the sum has more than 64 bits"))
    }

    /// Numbers of any kind, so that 6 / 4 is 1.5 and 6 / 3 is 2.
    #[on_call]
    fn divide(&mut self, a: Number, b: Number) -> Result<Number, DivisionByZero> {
        let dividend = a.as_f64().unwrap_or(f64::NAN);
        let quotient = Number::from_f64(dividend / b.as_f64().unwrap_or(f64::NAN));
        let whole = match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) if a.checked_rem(b) == Some(0) => Some(Number::from(a / b)),
            _ => None,
        };
        whole.or(quotient).ok_or(DivisionByZero { dividend: a })
    }

    /// Answers when the time is over. Any number of sleeps run at once, and hold up nothing.
    #[on_call]
    fn sleep(&mut self, ms: u64) -> Deferred<u64> {
        Deferred::new(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            ms
        })
    }

    #[on_call]
    fn subscribe_clock(&mut self, period_ms: u64, cx: &mut Context<Self>) {
        self.unsubscribe_clock(cx);
        self.clock = Some(cx.send_every(Duration::from_millis(period_ms), Tick));
    }

    #[on_call]
    fn unsubscribe_clock(&mut self, cx: &mut Context<Self>) {
        if let Some(clock) = self.clock.take() {
            cx.cancel(clock);
        }
        self.ticks = 0;
    }

    #[on_info]
    fn tick(&mut self, _: Tick) -> Event {
        self.ticks += 1;
        Event::Tick { n: self.ticks }
    }

    /// Asks the client, and returns what it said. An error of the client is an error of this call.
    #[on_call]
    fn ask(
        &mut self,
        question: String,
        cx: &mut Context<Self>,
    ) -> Deferred<Result<Box<RawValue>, ClientCallError>> {
        Deferred::new(cx.call(Question { question }).timeout(Duration::from_secs(2)))
    }

    /// Closes the connection with 1011, and touches no other.
    #[on_call]
    fn panic(&mut self) {
        panic!("the client wanted it");
    }

    /// Returns any JSON unchanged: numbers keep all their digits.
    #[on_call]
    fn echo(&mut self, value: Box<RawValue>) -> Box<RawValue> {
        value
    }

    /// Returns a value with members of all kinds unchanged.
    #[on_call]
    fn sample(&mut self, value: Sample) -> Sample {
        value
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    println!("listening on http://{addr}, WebSocket at ws://{addr}/rpc");
    let router = Router::new().mount::<Rpc>();
    // `cargo run --example rpc --features contract` has its documentation at `/docs`, with a console.
    #[cfg(feature = "contract")]
    let router = router.docs_with("/docs", |document| document.title("Calculator"));
    router.fallback(PAGE.app()).serve(addr).await
}

const PAGE: page::Page = page::Page {
    name: "rpc",
    about: "Clients call the methods with <code>#[on_call]</code>. Answers come when they are ready, and \
            <code>ask</code> calls this client: answer it by hand.",
    source: include_str!("rpc.rs"),
    targets: &["/rpc"],
    messages: &[
        r#"{"jsonrpc": "2.0", "id": 1, "method": "add", "params": [1, 2]}"#,
        r#"{"jsonrpc": "2.0", "id": 2, "method": "divide", "params": {"a": 7, "b": 0}}"#,
        r#"{"jsonrpc": "2.0", "id": 3, "method": "sleep", "params": [1000]}"#,
        r#"{"jsonrpc": "2.0", "id": 4, "method": "ask", "params": ["what time is it?"]}"#,
        r#"{"jsonrpc": "2.0", "id": 1, "result": "late"}"#,
    ],
};

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use ws_core::test::TestClient;

    use super::*;

    async fn open() -> TestClient<Rpc> {
        TestClient::open(Rpc::default()).await
    }

    #[tokio::test]
    async fn calculates() {
        let mut client = open().await;
        assert_eq!(client.call("add", json!([1, 2])).await.unwrap(), 3);
        assert_eq!(client.call("add", json!({ "b": 2, "a": -1 })).await.unwrap(), 1);
        assert_eq!(client.call("add", json!([i64::MAX, 1])).await.unwrap_err().code(), -32602);
        assert_eq!(client.call("divide", json!([6, 3])).await.unwrap(), 2);
        assert_eq!(client.call("divide", json!([6, 4])).await.unwrap(), 1.5);
        let error = client.call("divide", json!([7, 0])).await.unwrap_err();
        assert_eq!((error.code(), error.data().unwrap().get()), (-32000, r#"{"dividend":7}"#));
    }

    #[tokio::test]
    async fn answers_in_the_order_in_which_sleeps_end() {
        let mut client = open().await;
        let slow = client.send_call("sleep", json!([3000])).await;
        let fast = client.send_call("sleep", json!([1000])).await;
        client.advance(Duration::from_secs(1)).await;
        assert_eq!(client.answer_to(fast).await.unwrap(), 1000);
        client.advance(Duration::from_secs(2)).await;
        assert_eq!(client.answer_to(slow).await.unwrap(), 3000);
    }

    #[tokio::test]
    async fn the_clock_ticks_until_it_is_stopped() {
        let mut client = open().await;
        client.call("subscribe_clock", json!([250])).await.unwrap();
        client.advance(Duration::from_millis(500)).await;
        for n in 1..=2 {
            assert_eq!(client.message::<Value>("tick").await, json!({ "n": n }));
        }
        client.call("unsubscribe_clock", json!([])).await.unwrap();
        client.advance(Duration::from_secs(1)).await;
        client.expect_nothing().await;
    }

    #[tokio::test]
    async fn asks_the_client() {
        let mut client = open().await;
        let asked = client.send_call("ask", json!(["why?"])).await;
        client
            .answer("answer", |params: Value| {
                assert_eq!(params, json!({ "question": "why?" }));
                Ok("because")
            })
            .await;
        assert_eq!(client.answer_to(asked).await.unwrap(), "because");

        let unanswered = client.send_call("ask", json!(["why?"])).await;
        client.advance(Duration::from_secs(2)).await;
        assert_eq!(client.answer_to(unanswered).await.unwrap_err().code(), -32603);
    }

    #[tokio::test]
    async fn returns_json_unchanged() {
        let mut client = open().await;
        let deep = format!("{}{}", "[".repeat(64), "]".repeat(64));
        for value in ["18446744073709551615", "-9223372036854775808", "1.50", r#""\u00e4""#, "null", &deep] {
            client.send(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":[{value}]}}"#)).await;
            let expected = format!(r#"{{"jsonrpc":"2.0","result":{value},"id":1}}"#);
            assert_eq!(client.text().await, expected);
        }
        client.send(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":[[{deep}]]}}"#)).await;
        assert!(client.text().await.contains("-32700"));
    }

    #[tokio::test]
    async fn returns_a_sample_unchanged() {
        let mut client = open().await;
        let sample = json!({
            "text": "κόσμε 🎈", "signed": i64::MIN, "unsigned": u64::MAX, "float": 5e-324, "flag": true, "letter": "🎈",
            "nothing": null, "nullable": null, "bytes": [0, 255], "pair": ["", null],
            "$map": { "a": { "type": "circle", "radius": 0.1 }, "b": { "type": "point" } },
            "tree": { "children": [{ "children": [] }] }, "unit": { "Pair": [1, 2] },
            "content": { "kind": "Text", "value": "" }, "untagged": { "n": 7 }, "isMore": false,
        });
        assert_eq!(client.call("sample", json!([sample])).await.unwrap(), sample);
    }

    #[tokio::test]
    async fn a_panic_closes_the_connection() {
        let mut client = open().await;
        client.send_call("panic", json!([])).await;
        assert_eq!(client.closed().await.code, CloseCode::Error);
    }

    #[cfg(feature = "contract")]
    #[test]
    fn contract_is_kept() {
        ws_core::contract::check("contract/rpc.json", &Router::new().mount::<Rpc>());
    }
}
