//! Payloads: the types that methods take, decoded from text and bytes.

use bytes::Bytes;
use tungstenite::Utf8Bytes;

use crate::error::DecodeError;

/// A payload of `#[on_text]`.
///
/// Implemented for `&str`, `String`, [`Utf8Bytes`], [`Json<T>`](crate::Json) and
/// `Result<P, DecodeError>`, which passes a decode error to the method. Implement this trait to take
/// your own type:
///
/// ```
/// use ws_core::{DecodeError, FromText};
///
/// struct Command<'a> {
///     name: &'a str,
///     argument: &'a str,
/// }
///
/// impl<'a> FromText<'a> for Command<'a> {
///     fn from_text(text: &'a str) -> Result<Self, DecodeError> {
///         let (name, argument) = text.split_once(' ').ok_or_else(|| DecodeError::new("no argument"))?;
///         Ok(Self { name, argument })
///     }
/// }
/// # assert_eq!(Command::from_text("join lobby").unwrap().argument, "lobby");
/// ```
///
/// An `fn` method borrows the text from the read buffer, so `&str` copies nothing. An `async fn` method
/// outlives the read buffer, so a payload that borrows is decoded from a copy.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a payload of `#[on_text]`",
    label = "cannot be decoded from text",
    note = "take `&str`, `String`, `Utf8Bytes`, `Json<T>` or `Result<_, DecodeError>`, or implement `FromText`"
)]
pub trait FromText<'a>: Sized {
    /// Decodes one text message.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not valid for this type. The error goes to `#[on_error]`; without
    /// one, the connection closes with 1007.
    fn from_text(text: &'a str) -> Result<Self, DecodeError>;
}

/// A payload of `#[on_binary]`, `#[on_ping]` and `#[on_pong]`.
///
/// Implemented for `&[u8]`, `Vec<u8>`, [`Bytes`], [`Json<T>`](crate::Json) and
/// `Result<P, DecodeError>`. Implement this trait to take your own type:
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// /// A number of four bytes in big-endian order.
/// struct Number(u32);
///
/// impl FromBinary<'_> for Number {
///     fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
///         bytes.try_into().map(|bytes| Self(u32::from_be_bytes(bytes))).map_err(DecodeError::new)
///     }
/// }
/// # #[websocket] #[derive(Default)] struct Counter(u32);
/// # #[websocket]
/// # impl Counter {
/// #[on_binary]
/// fn add(&mut self, Number(number): Number) -> String {
///     self.0 += number;
///     self.0.to_string()
/// }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let mut client = TestClient::open(Counter::default()).await;
/// # client.send(vec![0, 0, 1, 2]).await;
/// # assert_eq!(client.text().await, "258");
/// # client.send(vec![0]).await;
/// # assert_eq!(client.closed().await.code, CloseCode::Invalid);
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a payload of bytes",
    label = "cannot be decoded from bytes",
    note = "take `&[u8]`, `Vec<u8>`, `Bytes`, `Json<T>` or `Result<_, DecodeError>`, or implement `FromBinary`"
)]
pub trait FromBinary<'a>: Sized {
    /// Decodes one binary message, or the payload of a ping or pong.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not valid for this type. The error goes to `#[on_error]`;
    /// without one, the connection closes with 1007.
    fn from_binary(bytes: &'a [u8]) -> Result<Self, DecodeError>;
}

impl<'a> FromText<'a> for &'a str {
    #[inline]
    fn from_text(text: &'a str) -> Result<Self, DecodeError> {
        Ok(text)
    }
}

impl FromText<'_> for String {
    fn from_text(text: &str) -> Result<Self, DecodeError> {
        Ok(text.to_owned())
    }
}

impl FromText<'_> for Utf8Bytes {
    fn from_text(text: &str) -> Result<Self, DecodeError> {
        Ok(text.into())
    }
}

impl<'a, P: FromText<'a>> FromText<'a> for Result<P, DecodeError> {
    fn from_text(text: &'a str) -> Result<Self, DecodeError> {
        Ok(P::from_text(text))
    }
}

impl<'a> FromBinary<'a> for &'a [u8] {
    #[inline]
    fn from_binary(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(bytes)
    }
}

impl FromBinary<'_> for Vec<u8> {
    fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(bytes.to_vec())
    }
}

impl FromBinary<'_> for Bytes {
    fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self::copy_from_slice(bytes))
    }
}

impl<'a, P: FromBinary<'a>> FromBinary<'a> for Result<P, DecodeError> {
    fn from_binary(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(P::from_binary(bytes))
    }
}
