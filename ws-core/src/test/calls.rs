//! Calls in both directions, in the envelope of the handler.

use std::future::Future;
use std::panic::Location;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::expect::MAX_RETRIES;
use super::{TestClient, clock, frames};
use crate::envelope::{CallError, Envelope, Incoming, describe, shorten};
use crate::handler::{Enveloped, Handler};
use crate::message::Message;

/// A call of the client, for [`TestClient::answer_to`].
#[derive(Debug)]
pub struct TestCall {
    id: u64,
    name: String,
}

/// Calls in both directions, in the envelope of the handler (feature `json`).
///
/// The client calls the handler with [`call`](Self::call), and answers the handler's calls with
/// [`answer`](Self::answer). Other messages stay where they are, for later expectations.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// use serde_json::{Value, json};
///
/// #[derive(Call, serde::Serialize)]
/// #[call(returns = u32)]
/// struct Pin { attempt: u32 }
///
/// # #[websocket(envelope = JsonRpc)] #[derive(Default)] struct Door;
/// # #[websocket]
/// # impl Door {
/// #[on_info]
/// async fn open(&mut self, attempt: u32, cx: &mut Context<Self>) -> &'static str {
///     match cx.call(Pin { attempt }).await {
///         Ok(1234) => "come in",
///         _ => "stay out",
///     }
/// }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Door).await;
/// client.info(1_u32).await;
/// client.answer("pin", |params: Value| {
///     assert_eq!(params, json!({ "attempt": 1 }));
///     Ok(1234)
/// }).await;
/// assert_eq!(client.text().await, "come in");
/// # }
/// ```
impl<H: Handler + Enveloped> TestClient<H> {
    /// Calls the method of a name, and returns its result or its error.
    ///
    /// # Errors
    ///
    /// Returns the error with which the handler answers.
    ///
    /// # Panics
    ///
    /// If there is no answer without advancing the clock; see [`send_call`](Self::send_call).
    #[track_caller]
    pub fn call<T: Serialize>(
        &mut self,
        name: &str,
        params: T,
    ) -> impl Future<Output = Result<Value, CallError>> {
        let caller = Location::caller();
        let (name, frame, call) = self.encode_call(caller, name, &params);
        async move {
            self.send_text(caller, frame).await;
            self.take_answer(caller, TestCall { id: call, name }).await
        }
    }

    /// Sends a call and returns at once. The test advances the clock, and then takes the answer with
    /// [`answer_to`](Self::answer_to).
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # use serde_json::json;
    /// # #[websocket(envelope = JsonRpc)] #[derive(Default)] struct Timers;
    /// #[websocket]
    /// impl Timers {
    ///     #[on_call]
    ///     fn sleep(&mut self, ms: u64) -> Deferred<u64> {
    ///         Deferred::new(async move {
    ///             tokio::time::sleep(Duration::from_millis(ms)).await;
    ///             ms
    ///         })
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Timers).await;
    /// let slow = client.send_call("sleep", json!([5000])).await;
    /// let fast = client.send_call("sleep", json!([1000])).await;
    /// client.advance(Duration::from_secs(5)).await;
    /// assert_eq!(client.answer_to(slow).await.unwrap(), 5000);
    /// assert_eq!(client.answer_to(fast).await.unwrap(), 1000);
    /// # }
    /// ```
    #[track_caller]
    pub fn send_call<T: Serialize>(&mut self, name: &str, params: T) -> impl Future<Output = TestCall> {
        let caller = Location::caller();
        let (name, frame, id) = self.encode_call(caller, name, &params);
        async move {
            self.send_text(caller, frame).await;
            TestCall { id, name }
        }
    }

    /// Returns the answer to a call.
    ///
    /// # Panics
    ///
    /// If the answer has not arrived.
    #[track_caller]
    pub fn answer_to(&mut self, call: TestCall) -> impl Future<Output = Result<Value, CallError>> {
        self.take_answer(Location::caller(), call)
    }

    /// Sends a message without an answer.
    #[track_caller]
    pub fn send_message<T: Serialize>(&mut self, name: &str, params: T) -> impl Future<Output = ()> {
        let caller = Location::caller();
        let mut frame = Vec::new();
        if let Err(error) = H::Envelope::write_message(name, &params, &mut frame) {
            self.fail(caller, &format!("the parameters of `{name}` do not serialize: {error}"));
        }
        self.send_text(caller, frame)
    }

    /// Returns the parameters of the handler's next message without an answer, which must have this name.
    ///
    /// # Panics
    ///
    /// If the message has another name, or if the parameters are of another type.
    #[track_caller]
    pub fn message<P: DeserializeOwned>(&mut self, name: &str) -> impl Future<Output = P> {
        let caller = Location::caller();
        let name = name.to_owned();
        async move {
            let is_message = |text: &str| matches!(H::Envelope::open(text), Incoming::Message { .. });
            let text = self.take_named(caller, &format!("the message `{name}`"), is_message).await;
            let Incoming::Message { name: got, params } = H::Envelope::open(&text) else { unreachable!() };
            if got != name {
                self.fail(
                    caller,
                    &format!("expected the message `{name}`, but got {}", describe::<H::Envelope>(&text)),
                );
            }
            self.decode(caller, &name, params)
        }
    }

    /// Answers the handler's next call, which must have this name. `reply` takes the parameters and returns the result
    /// or the error.
    ///
    /// # Panics
    ///
    /// If the call has another name, or if the parameters are of another type.
    #[track_caller]
    pub fn answer<P, R>(
        &mut self,
        name: &str,
        reply: impl FnOnce(P) -> Result<R, CallError>,
    ) -> impl Future<Output = ()>
    where
        P: DeserializeOwned,
        R: Serialize,
    {
        let caller = Location::caller();
        let name = name.to_owned();
        async move {
            let is_call = |text: &str| matches!(H::Envelope::open(text), Incoming::Call { .. });
            let text = self.take_named(caller, &format!("the call `{name}`"), is_call).await;
            let Incoming::Call { id, name: got, params } = H::Envelope::open(&text) else { unreachable!() };
            if got != name {
                self.fail(
                    caller,
                    &format!("expected the call `{name}`, but got {}", describe::<H::Envelope>(&text)),
                );
            }
            let result = reply(self.decode(caller, &name, params));
            let mut frame = Vec::new();
            if let Err(error) = H::Envelope::write_answer(&id, result.as_ref(), &mut frame) {
                self.fail(caller, &format!("the result of `{name}` does not serialize: {error}"));
            }
            self.send_text(caller, frame).await;
        }
    }

    fn encode_call<T: Serialize>(
        &mut self,
        caller: &Location<'_>,
        name: &str,
        params: &T,
    ) -> (String, Vec<u8>, u64) {
        self.last_call += 1;
        let mut frame = Vec::new();
        if let Err(error) = H::Envelope::write_call(self.last_call, name, params, &mut frame) {
            self.fail(caller, &format!("the parameters of `{name}` do not serialize: {error}"));
        }
        (name.to_owned(), frame, self.last_call)
    }

    async fn send_text(&mut self, caller: &Location<'_>, frame: Vec<u8>) {
        let text = String::from_utf8_lossy(&frame).into_owned();
        let description = describe::<H::Envelope>(&text);
        self.send_bytes(caller, &description, &frames::encode(&Message::text(text))).await;
    }

    async fn take_answer(
        &mut self,
        caller: &'static Location<'static>,
        call: TestCall,
    ) -> Result<Value, CallError> {
        let is_answer =
            |text: &str| matches!(H::Envelope::open(text), Incoming::Answer { id, .. } if id == call.id);
        let expected = format!("the answer to the call `{}`", call.name);
        let text = self.take_named(caller, &expected, is_answer).await;
        match H::Envelope::open(&text) {
            Incoming::Answer { answer: Ok(result), .. } => Ok(self.decode(caller, &call.name, Some(result))),
            Incoming::Answer { answer: Err(error), .. } => Err(error),
            _ => unreachable!("the text is an answer"),
        }
    }

    fn decode<P: DeserializeOwned>(&self, caller: &Location<'_>, name: &str, params: Option<&RawValue>) -> P {
        let json = params.map_or("null", RawValue::get);
        serde_json::from_str(json).unwrap_or_else(|error| {
            self.fail(caller, &format!("the JSON of `{name}` is of another type: {error}: {}", shorten(json)))
        })
    }

    /// Takes the first text that `is_wanted`, and fails with the names of the other messages.
    async fn take_named(
        &mut self,
        caller: &Location<'_>,
        expected: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> String {
        let is_wanted =
            |message: &Message| matches!(message, Message::Text(text) if is_wanted(text.as_str()));
        for attempt in 0..=MAX_RETRIES {
            if let Some(Message::Text(text)) = self.io.take_first(is_wanted) {
                return text.to_string();
            }
            if self.task.is_finished() && attempt > 0 {
                break;
            }
            if attempt > 0 {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            clock::settle().await;
        }
        let others = self.io.describe_waiting(|message| match message {
            Message::Text(text) => describe::<H::Envelope>(text.as_str()),
            other => frames::describe(other),
        });
        let others =
            if others.is_empty() { "nothing arrived".into() } else { format!("got {}", others.join(", ")) };
        let ended = if self.task.is_finished() { ", and the connection has ended" } else { "" };
        self.fail(caller, &format!("expected {expected}, but {others}{ended}"))
    }
}
