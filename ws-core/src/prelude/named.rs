//! The attributes of named messages.

/// `#[on_call]`: a method that answers the calls of its name.
///
/// The name is that of the method, or the text of `#[on_call("report.build")]`. The handler is declared with an
/// `envelope`, which says how names, parameters and answers are written.
///
/// The method takes `&mut self`, up to eight arguments that are serde's `Deserialize`, and `cx` anywhere. Clients
/// pass the arguments in an array, by position, or in an object, by name. An `Option` may be left out. A single
/// [`Params<T>`](crate::Params) takes all parameters. A `&str` borrows from the message.
///
/// The method returns a result that is `Serialize` (`()` is `null`), a `Result` with any error that converts into
/// [`CallError`](crate::CallError), or a [`Deferred`](crate::Deferred) of these, which is answered when it is
/// ready. Parameters that do not fit are answered with −32602, an unknown name with −32601, a result that does not
/// serialize with −32603. A message without an id runs the method too and is not answered.
///
/// In an `enum` handler, the first parameter may be a state in place of `&mut self`, as in `guest: &mut Guest`. In other
/// states, a call gets the error [`CallError::WRONG_STATE`](crate::CallError::WRONG_STATE). A [`Goto`](crate::Goto)
/// after the result, as in `Result<(Welcome, Goto<Member>), Refused>`, leads to another state; alone, it answers
/// `null`. The chapter [states](crate::guide::states) has an example. `#[on_call(ignore = Guest)]` takes a state out of
/// a method of all states.
///
/// ```
/// # use ws_core::{prelude::*, CallError, JsonRpc, test::TestClient};
/// #[websocket(path = "/rpc", envelope = JsonRpc)]
/// #[derive(Default)]
/// struct Calculator;
///
/// #[websocket]
/// impl Calculator {
///     #[on_call]
///     fn add(&mut self, a: i64, b: i64) -> i64 {
///         a + b
///     }
///
///     #[on_call("integer.divide")]
///     fn divide(&mut self, dividend: i64, divisor: i64) -> Result<i64, CallError> {
///         dividend.checked_div(divisor).ok_or_else(|| CallError::new(-32000, "no quotient"))
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Calculator).await;
/// client.send(r#"{"jsonrpc": "2.0", "id": 7, "method": "add", "params": [1, 2]}"#).await;
/// assert_eq!(client.text().await, r#"{"jsonrpc":"2.0","result":3,"id":7}"#);
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_call;

/// `#[on_message]`: a method for the messages of its name, which have no answer.
///
/// The name, the arguments, the state and `ignore` are those of [`on_call`]. The method returns a reply, as
/// `#[on_text]` does.
///
/// An unknown name, and one of another state, is ignored. Parameters that do not fit go to `#[on_error]` as
/// [`HandlerError::Decode`](crate::HandlerError::Decode); without one they are ignored, and the connection lives. A
/// call with this name is answered with −32601.
///
/// ```
/// # use ws_core::{prelude::*, Tagged, test::TestClient};
/// #[websocket(path = "/chat", envelope = Tagged)]
/// #[derive(Default)]
/// struct Chat;
///
/// #[websocket]
/// impl Chat {
///     #[on_message]
///     fn typing(&mut self, room: &str) -> String {
///         format!("someone types in {room}")
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send(r#"{"type": "typing", "room": "lobby"}"#).await;
/// assert_eq!(client.text().await, "someone types in lobby");
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_message;
