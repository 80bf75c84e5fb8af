//! Descriptions of handlers, through the macro.

mod documents;
mod own_envelope;

use schemars::JsonSchema as Schema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::Messages;
use crate::envelope::{CallError, Envelope, Incoming};
use crate::prelude::*;

/// The price of a symbol.
#[derive(Clone, Serialize, Deserialize, Schema)]
struct Price {
    symbol: String,
    /// In cents.
    cents: u64,
    #[serde(default)]
    is_final: bool,
}

#[derive(Serialize, Messages, Schema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only their schemas are used")]
enum Event {
    /// A new price.
    Price(Price),
    #[message("market.closed")]
    MarketClosed,
    Halted {
        symbol: String,
    },
    #[serde(rename = "moved_to")]
    Gone(String),
}

/// Question whether the user confirms an order.
#[derive(Call, Serialize, Schema)]
#[call("order.confirm", returns = bool)]
struct Confirm {
    id: u64,
}

struct Refused;

impl From<Refused> for CallError {
    fn from(_: Refused) -> Self {
        Self::new(-32001, "refused")
    }
}

impl CallErrors for Refused {
    fn describe_errors(errors: &mut ErrorList<'_>) {
        errors.add(-32001, "the market is closed");
        errors.add_with_data::<u8>(-32002, "too many");
    }
}

#[derive(Deserialize, Schema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Depth {
    /// How many rows.
    depth: Option<u32>,
    token: String,
}

#[websocket(
    path = "/board/{symbol}/{*rest}",
    envelope = JsonRpc,
    sends = Event,
    subprotocols = ["v2", "v1"],
    idle_timeout = 10s,
    max_lifetime = 1h,
    session(resume = 5s)
)]
struct Board;

/// Prices of a board.
///
/// Over JSON-RPC.
#[websocket(contract(version = 3, calls = [Confirm], closes = [(4401, "log in first")]))]
impl Board {
    #[on_upgrade]
    fn join(Path(_): Path<(String, String)>, Query(_): Query<Depth>, _: HeaderMap) -> Self {
        Self
    }

    /// Adds.
    #[on_call("math.add")]
    fn add(&mut self, a: i32, b: Option<i32>, text: &str, other: Option<&str>) -> i32 {
        a + b.unwrap_or_default() + i32::try_from(text.len() + other.map_or(0, str::len)).unwrap()
    }

    #[on_call]
    fn last(&mut self, Params(price): Params<Price>) -> Deferred<Result<Price, Refused>> {
        Deferred::new(async { Ok(price) })
    }

    #[on_call]
    async fn nothing(&mut self) {}

    #[on_message]
    fn typing(&mut self, _room: String) -> Option<Event> {
        None
    }

    #[on_text]
    fn other(&mut self, _: &str) -> Event {
        Event::MarketClosed
    }
}

fn only(router: &Router) -> HandlerContract {
    let mut handlers = router.contract().handlers;
    assert_eq!(handlers.len(), 1);
    handlers.remove(0)
}

fn as_json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn handlers_are_described() {
    let board = only(&Router::new().mount::<Board>());
    assert_eq!((&*board.name, board.is_described, board.version), ("Board", true, 3));
    assert_eq!(board.description.as_deref(), Some("Prices of a board.\n\nOver JSON-RPC."));
    let names = |list: &[ParameterContract]| {
        list.iter().map(|p| format!("{} {} {}", p.name, p.is_optional, p.schema["type"])).collect::<Vec<_>>()
    };
    assert_eq!(names(&board.path_parameters), [r#"symbol false "string""#, r#"rest false "string""#]);
    assert_eq!(names(&board.query), [r#"depth true ["integer","null"]"#, r#"token false "string""#]);
    assert_eq!(board.query[0].description.as_deref(), Some("How many rows."));
    assert_eq!(board.subprotocols, ["v2", "v1"]);
    assert_eq!(board.limits.idle_timeout, Some(10_000));
    assert_eq!(board.session, Some(SessionContract { resume: 5_000, buffer: 256 << 10 }));
    let declared: Vec<_> = board.close_codes.iter().filter(|close| close.is_declared).collect();
    assert_eq!((declared.len(), declared[0].code, &*declared[0].reason), (1, 4401, "log in first"));
    let codes: Vec<_> = board.close_codes.iter().map(|close| close.code).collect();
    assert_eq!(codes, [1001, 1007, 1008, 1009, 1011, 1013, 4401]);
}

#[test]
fn calls_have_their_parameters_results_and_errors() {
    let board = only(&Router::new().mount::<Board>());
    let [add, last, nothing] = &*board.client.calls else { panic!("{:?}", board.client.calls) };
    assert_eq!((&*add.name, add.description.as_deref()), ("math.add", Some("Adds.")));
    assert_eq!(
        as_json(&add.content),
        json!({ "kind": "parameters", "parameters": [
            { "name": "a", "schema": { "type": "integer", "format": "int32" } },
            { "name": "b", "is_optional": true, "schema": { "type": ["integer", "null"], "format": "int32" } },
            { "name": "text", "schema": { "type": "string" } },
            { "name": "other", "is_optional": true, "schema": { "type": ["string", "null"] } },
        ] })
    );
    assert_eq!(add.result, json!({ "type": "integer", "format": "int32" }));
    assert_eq!(add.errors, []);
    // A type that is read otherwise than it is written, because a member has a default.
    assert_eq!(
        as_json(&last.content),
        json!({ "kind": "json", "schema": { "$ref": "#/schemas/PriceInput" } })
    );
    assert_eq!(last.result, json!({ "$ref": "#/schemas/Price" }));
    assert_eq!(board.schemas["PriceInput"]["required"], json!(["symbol", "cents"]));
    assert_eq!(board.schemas["Price"]["required"], json!(["symbol", "cents", "is_final"]));
    assert_eq!(
        as_json(&last.errors),
        json!([
            { "code": -32001, "description": "the market is closed" },
            { "code": -32002, "description": "too many",
              "data": { "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 } },
        ])
    );
    assert_eq!((&nothing.content, &nothing.result), (&ContentContract::Nothing, &json!({ "type": "null" })));
}

#[test]
fn messages_have_their_names_and_contents() {
    let board = only(&Router::new().mount::<Board>());
    let client: Vec<_> =
        board.client.messages.iter().map(|message| (&*message.name, message.frame)).collect();
    assert_eq!(client, [("typing", FrameContract::Envelope), ("other", FrameContract::Text)]);
    let room = json!([{ "name": "room", "schema": { "type": "string" } }]);
    assert_eq!(as_json(&board.client.messages[0].content)["parameters"], room);
    let server: Vec<_> = board.server.messages.iter().map(|m| (&*m.name, as_json(&m.content))).collect();
    let [price, closed, halted, gone] = &*server else { panic!("{server:?}") };
    assert_eq!(*price, ("price", json!({ "kind": "json", "schema": { "$ref": "#/schemas/Price" } })));
    assert_eq!(board.server.messages[0].description.as_deref(), Some("A new price."));
    assert_eq!(*closed, ("market.closed", json!({ "kind": "nothing" })));
    assert_eq!((halted.0, &halted.1["schema"]["required"]), ("halted", &json!(["symbol"])));
    assert_eq!(*gone, ("gone", json!({ "kind": "json", "schema": { "type": "string" } })));
    let [confirm] = &*board.server.calls else { panic!("{:?}", board.server.calls) };
    assert_eq!((&*confirm.name, &confirm.result), ("order.confirm", &json!({ "type": "boolean" })));
    assert_eq!(confirm.description.as_deref(), Some("Question whether the user confirms an order."));
}

#[test]
fn the_same_handlers_give_the_same_bytes() {
    let contract = Router::new().mount::<Board>().contract();
    let json = contract.to_json();
    assert_eq!(json, Router::new().mount::<Board>().contract().to_json());
    assert_eq!(serde_json::from_str::<Contract>(&json).unwrap(), contract);
    assert_eq!(contract.asyncapi().to_yaml(), contract.asyncapi().to_yaml());
}

#[websocket(path = "/raw")]
#[derive(Default)]
struct Raw;

#[websocket(contract(sends = [Json<Price>]))]
impl Raw {
    #[on_text]
    fn order(
        &mut self,
        order: Result<Json<Price>, DecodeError>,
    ) -> Result<(Json<u8>, Option<Vec<u8>>), DecodeError> {
        order.map(|_| (Json(1), None))
    }

    #[on_binary]
    fn bytes<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }

    #[every(1s)]
    fn tick(&mut self) -> Deferred<&'static str> {
        Deferred::new(async { "tick" })
    }

    #[on_close]
    fn close(&mut self) {}
}

#[test]
fn raw_messages_are_described() {
    let raw = only(&Router::new().mount::<Raw>());
    assert_eq!(raw.envelope, None);
    let of = |messages: &[MessageContract]| {
        let text = messages.iter().map(|m| format!("{} {:?} {}", m.name, m.frame, as_json(&m.content)));
        text.collect::<Vec<_>>()
    };
    assert_eq!(
        of(&raw.client.messages),
        [
            r##"order Text {"kind":"json","schema":{"$ref":"#/schemas/PriceInput"}}"##,
            r#"bytes Binary {"kind":"raw"}"#
        ]
    );
    assert_eq!(
        of(&raw.server.messages),
        [
            r#"order Text {"kind":"json","schema":{"format":"uint8","maximum":255,"minimum":0,"type":"integer"}}"#,
            r#"order_2 Binary {"kind":"raw"}"#,
            r#"bytes Binary {"kind":"raw"}"#,
            r#"tick Text {"kind":"raw"}"#,
            r##"message Text {"kind":"json","schema":{"$ref":"#/schemas/Price"}}"##,
        ]
    );
}

#[websocket(path = "/chat", envelope = Tagged)]
enum Chat {
    Guest(Guest),
    Member(Member),
}

struct Guest;
struct Member;

#[websocket(contract)]
impl Chat {
    #[on_upgrade]
    fn join() -> Guest {
        Guest
    }

    #[on_call(ignore = Member)]
    fn login(_: &mut Guest, name: String) -> (String, Goto<Member>) {
        (name, Goto(Member))
    }

    #[on_call]
    fn logout(&mut self) -> Goto<Guest> {
        Goto(Guest)
    }

    #[on_text(ignore = Member)]
    fn r#loop(_: &mut Guest, _: &str) -> Option<Goto<Member>> {
        None
    }
}

#[test]
fn states_are_described() {
    let chat = only(&Router::new().mount::<Chat>());
    assert_eq!(as_json(&chat.states), json!([{ "name": "Guest", "is_initial": true }, { "name": "Member" }]));
    assert_eq!(
        as_json(&chat.transitions),
        json!([
            { "from": "Guest", "to": "Member", "event": "on_call", "name": "login" },
            { "from": "Guest", "to": "Guest", "event": "on_call", "name": "logout" },
            { "from": "Member", "to": "Guest", "event": "on_call", "name": "logout" },
            { "from": "Guest", "to": "Member", "event": "on_text", "name": "loop" },
        ])
    );
    let states: Vec<_> = chat.client.calls.iter().map(|call| (&*call.name, call.states.len())).collect();
    assert_eq!(states, [("login", 1), ("logout", 0)]);
    assert_eq!(chat.client.calls[0].result, json!({ "type": "string" }));
    assert_eq!(chat.client.calls[1].result, json!({ "type": "null" }));
    assert_eq!(
        as_json(chat.envelope),
        json!({
            "format": { "kind": "tagged", "tag": "type", "content": null },
            "message": { "type": "$name", "$params": true },
            "call": { "type": "$name", "id": "$id", "$params": true },
            "result": { "id": "$id", "result": "$result" },
            "error": { "id": "$id", "error": { "code": "$code", "message": "$message", "data": "$data" } },
        })
    );
}

#[websocket(path = "/parts")]
#[derive(Default)]
struct Parts;

#[websocket(contract)]
impl Parts {
    #[on_part]
    fn part(&mut self, _: Part<'_>) -> Option<Message> {
        None
    }

    #[on_info]
    fn price(&mut self, price: Published<Price>) -> Json<Published<Price>> {
        Json(price)
    }

    #[on_info]
    fn position(&mut self, position: Position) -> Json<Position> {
        Json(position)
    }
}

#[test]
fn messages_of_one_method_have_names_of_their_own() {
    let parts = only(&Router::new().mount::<Parts>());
    let named = |messages: &[MessageContract]| {
        messages.iter().map(|message| (message.name.clone(), message.frame)).collect::<Vec<_>>()
    };
    let both = [("part".to_owned(), FrameContract::Text), ("part_2".to_owned(), FrameContract::Binary)];
    assert_eq!(named(&parts.client.messages), both);
    assert_eq!(named(&parts.server.messages)[..2], both);
}

#[test]
fn the_types_of_topics_have_schemas() {
    let parts = only(&Router::new().mount::<Parts>());
    let schema = |message: &MessageContract| as_json(&message.content)["schema"].take();
    assert_eq!(schema(&parts.server.messages[2]), json!({ "$ref": "#/schemas/Price" }));
    let position = Position { epoch: 31, offset: u64::MAX };
    assert_eq!(as_json(position), "1f-ffffffffffffffff");
    let pattern = "^[0-9a-f]{1,16}-[0-9a-f]{1,16}$";
    assert_eq!(schema(&parts.server.messages[3]), json!({ "type": "string", "pattern": pattern }));
}

#[websocket(path = "/plain", unhandled = close, ping_interval = none)]
#[derive(Default)]
struct Plain;

#[websocket]
impl Plain {
    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }
}

#[test]
fn handlers_without_the_option_have_only_their_declaration() {
    let contract = Router::new().mount_at::<Plain>("/z/{_any}").mount::<Plain>().contract();
    let paths: Vec<_> = contract.handlers.iter().map(|handler| &*handler.path).collect();
    assert_eq!(paths, ["/plain", "/z/{_any}"]);
    let plain = &contract.handlers[0];
    assert!(!plain.is_described && plain.client.is_empty() && plain.server.is_empty());
    assert_eq!(
        plain.close_codes.iter().map(|close| close.code).collect::<Vec<_>>(),
        [1001, 1003, 1007, 1008, 1009, 1011, 1013]
    );
    assert_eq!(contract.handlers[1].path_parameters, []);
    // The address of a channel has all parameters.
    let channels = contract.asyncapi().to_value()["channels"].clone();
    assert_eq!(channels["Plain_2"]["parameters"]["_any"], json!({ "description": "Any value." }));
}
