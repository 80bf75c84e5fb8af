//! JSON payloads and replies.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, HandlerError};
use crate::payload::{FromBinary, FromText};
use crate::reply::{IntoReply, Replies};

/// A value that is sent and received as JSON (feature `json`, on by default).
///
/// As a payload, `Json` decodes text, or bytes in `#[on_binary]`. As a reply, `Json` is sent as a text
/// message. In a method that is not `async`, `T` may borrow from the message.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[derive(serde::Deserialize)]
/// struct Add { a: i64, b: i64 }
///
/// #[derive(serde::Serialize)]
/// struct Sum { sum: i64 }
///
/// # #[websocket] #[derive(Default)] struct Adder;
/// #[websocket]
/// impl Adder {
///     #[on_text]
///     fn add(&mut self, Json(Add { a, b }): Json<Add>) -> Json<Sum> {
///         Json(Sum { sum: a + b })
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Adder).await;
/// client.send(r#"{ "a": 1, "b": 2 }"#).await;
/// assert_eq!(client.text().await, r#"{"sum":3}"#);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<'a, T: Deserialize<'a>> FromText<'a> for Json<T> {
    fn from_text(text: &'a str) -> Result<Self, DecodeError> {
        serde_json::from_str(text).map(Self).map_err(DecodeError::new)
    }
}

impl<'a, T: Deserialize<'a>> FromBinary<'a> for Json<T> {
    fn from_binary(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        serde_json::from_slice(bytes).map(Self).map_err(DecodeError::new)
    }
}

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        to.text_with(|out| serde_json::to_writer(out, &self.0))
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
