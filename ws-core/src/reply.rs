//! Replies: the types that methods return, encoded as frames.

mod defer;
mod goto;
mod outgoing;
mod protocol;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tungstenite::Utf8Bytes;

pub(crate) use defer::{Defer, DeferredReply, ReplyFuture};
pub use goto::Goto;
pub(crate) use goto::NextState;
pub use outgoing::Outgoing;
use outgoing::send_error;
#[cfg(feature = "json")]
pub(crate) use protocol::MessageSet;
#[cfg(feature = "json")]
pub use protocol::SendsOnly;
pub use protocol::{AnyReply, MessageProtocol, Unchecked};

use crate::close::{Close, may_be_sent};
use crate::error::{BoxError, HandlerError, MethodError};
use crate::message::{MAX_CONTROL_PAYLOAD, Message, Ping, Pong};
use crate::wire::{Connection, OwnedPayload, ZERO_COPY_THRESHOLD};

/// A value that a method may return, and that [`Context::send`](crate::Context::send) takes.
///
/// | type | sends |
/// |---|---|
/// | `()` | nothing |
/// | `&str`, `String`, `Utf8Bytes`, `Cow<str>`, `Box<str>`, `Arc<str>`, `fmt::Arguments` | text |
/// | `&[u8]`, `Vec<u8>`, `Bytes` | binary |
/// | [`Json<T>`](crate::Json) | text |
/// | [`Message`] | the frame of its variant |
/// | [`Ping`], [`Pong`] | a control frame |
/// | [`Close`] | a close frame; nothing is sent after it |
/// | `Option<R>` | `R`, or nothing |
/// | `Result<R, E>` | `R`; an error goes to `#[on_error]`, or closes with 1011; a [`Close`] is sent |
/// | tuples, arrays, `Vec<R>` | each in turn |
/// | [`Deferred<R>`](crate::Deferred) | `R`, when its future has completed |
/// | [`Goto<S>`](crate::Goto) | nothing; the handler changes its state |
///
/// Implement this trait to return your own type:
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// struct Celsius(f64);
///
/// impl IntoReply for Celsius {
///     fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
///         format!("{:.1} °C", self.0).into_reply(to)
///     }
/// }
/// # #[websocket] #[derive(Default)] struct Weather;
/// # #[websocket] impl Weather { #[on_open] fn open(&mut self) -> Celsius { Celsius(20.04) } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # assert_eq!(TestClient::open(Weather).await.text().await, "20.0 °C");
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply",
    label = "cannot be sent to the client",
    note = "return `()`, `&str`, `String`, `Vec<u8>`, `Bytes`, `Json<T>`, `Message`, `Ping`, `Pong`, `Close`, or an `Option`, `Result`, tuple, array or `Vec` of replies; or implement `IntoReply`"
)]
pub trait IntoReply {
    /// Puts the frames into the outbox, in order.
    ///
    /// # Errors
    ///
    /// Returns an error if a frame cannot be sent. The error goes to `#[on_error]`. Frames that were put
    /// into the outbox before the error are still sent.
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError>;
}

/// The outbox of the connection, as the destination of replies. After a close, replies are dropped.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// /// A file with its name.
/// struct File<'a>(&'a str, &'a [u8]);
///
/// impl IntoReply for File<'_> {
///     fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
///         to.text(self.0);
///         to.binary(self.1);
///         to.ping(b"got it?")
///     }
/// }
/// # #[websocket] #[derive(Default)] struct Files;
/// # #[websocket] impl Files {
/// #     #[on_open] fn open(&mut self) -> File<'static> { File("a.txt", b"abc") }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let mut client = TestClient::open(Files).await;
/// # assert_eq!(client.text().await, "a.txt");
/// # assert_eq!(client.binary().await, "abc");
/// # assert_eq!(client.pinged().await, "got it?");
/// # }
/// ```
#[derive(Debug)]
pub struct Replies<'a> {
    pub(crate) wire: &'a mut Connection,
    pub(crate) deferred: &'a mut dyn Defer,
}

impl Replies<'_> {
    /// Sends a text message.
    // PERF: inlined into generated code. budget: text64
    #[inline(always)]
    pub fn text(&mut self, text: &str) {
        self.wire.text(text);
    }

    /// Sends a binary message.
    // PERF: like `text`. budget: binary16k
    #[inline(always)]
    pub fn binary(&mut self, bytes: &[u8]) {
        self.wire.binary(bytes);
    }

    /// Sends a ping.
    ///
    /// # Errors
    ///
    /// Returns [`HandlerError::Reply`] if the payload has more than 125 bytes (RFC 6455 §5.5).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), HandlerError> {
        self.wire.ping(control(payload)?);
        Ok(())
    }

    /// Sends a pong.
    ///
    /// # Errors
    ///
    /// Returns [`HandlerError::Reply`] if the payload has more than 125 bytes (RFC 6455 §5.5).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), HandlerError> {
        self.wire.pong(control(payload)?);
        Ok(())
    }

    /// Closes the connection.
    ///
    /// # Errors
    ///
    /// Returns [`HandlerError::Reply`] if the code may not be sent, for example 1006, or 1005
    /// with a text (RFC 6455 §7.4.1). 1005 without a text is [`Close::empty`].
    pub fn close(&mut self, close: Close) -> Result<(), HandlerError> {
        if !may_be_sent(close.code) && !close.is_empty() {
            let text = format!(
                "close code {} may not be sent: use 1000 to 1003, 1007 to 1014 or 3000 to 4999, or \
                 `Close::empty()`",
                close.code
            );
            return Err(HandlerError::Reply(text.into()));
        }
        self.wire.close(close);
        Ok(())
    }

    /// Starts the future of a reply.
    ///
    /// # Errors
    ///
    /// Returns [`HandlerError::TooManyDeferred`] if as many futures run as `max_deferred` allows.
    pub(crate) fn defer(&mut self, reply: ReplyFuture) -> Result<(), HandlerError> {
        if self.wire.is_closing() {
            return Ok(());
        }
        self.deferred.defer(self.wire.options().max_deferred, reply)
    }

    /// Returns whether one more future would exceed `max_deferred`.
    #[cfg(feature = "json")]
    pub(crate) fn is_deferred_full(&self) -> bool {
        self.deferred.running() >= self.wire.options().max_deferred
    }

    /// Sends a text message that `write` encodes directly into the outbox. The bytes must be UTF-8.
    #[cfg_attr(not(feature = "json"), allow(dead_code))]
    pub(crate) fn text_with<E: Into<BoxError>>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), HandlerError> {
        self.wire.text_with(write).map_err(|error| HandlerError::Reply(error.into()))
    }
}

/// Returns the payload if it fits into a control frame (RFC 6455 §5.5).
fn control(payload: &[u8]) -> Result<&[u8], HandlerError> {
    if payload.len() > MAX_CONTROL_PAYLOAD {
        let text = format!("{} bytes in a control frame, which holds up to 125", payload.len());
        return Err(HandlerError::Reply(text.into()));
    }
    Ok(payload)
}

impl IntoReply for () {
    #[inline]
    fn into_reply(self, _: &mut Replies<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl IntoReply for Infallible {
    fn into_reply(self, _: &mut Replies<'_>) -> Result<(), HandlerError> {
        match self {}
    }
}

macro_rules! text {
    ($($type:ty),* $(,)?) => {$(
        impl IntoReply for $type {
            // PERF: inlined into generated code. budget: text64
            #[inline(always)]
            fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
                to.text(&self);
                Ok(())
            }
        }
    )*};
}

text!(&str, &String);

macro_rules! binary {
    ($($type:ty),* $(,)?) => {$(
        impl IntoReply for $type {
            // PERF: like the macro `text`. budget: binary16k
            #[inline(always)]
            fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
                to.binary(&self);
                Ok(())
            }
        }
    )*};
}

binary!(&[u8], &Vec<u8>);

/// Implements owned replies. A large payload is moved into the outbox; copying a short one is faster.
macro_rules! owned {
    ($($type:ty: $copy:ident or $send_owned:ident $into_payload:expr;)*) => {$(
        impl IntoReply for $type {
            // PERF: like the macro `text`. budget: text64, binary16k
            #[inline(always)]
            fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
                if self.len() < ZERO_COPY_THRESHOLD {
                    to.$copy(&self);
                } else {
                    let into_payload: fn(Self) -> OwnedPayload = $into_payload;
                    to.wire.$send_owned(into_payload(self));
                }
                Ok(())
            }
        }
    )*};
}

owned! {
    String: text or text_owned |text| text.into_bytes().into();
    Box<str>: text or text_owned |text| text.into_string().into_bytes().into();
    Arc<str>: text or text_owned |text| Bytes::from_owner(SharedText(text)).into();
    Utf8Bytes: text or text_owned |text| Bytes::from(text).into();
    Vec<u8>: binary or binary_owned OwnedPayload::from;
    Box<[u8]>: binary or binary_owned |bytes| bytes.into_vec().into();
    Arc<[u8]>: binary or binary_owned |bytes| Bytes::from_owner(bytes).into();
    Bytes: binary or binary_owned OwnedPayload::from;
}

struct SharedText(Arc<str>);

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl IntoReply for Cow<'_, str> {
    #[inline]
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        match self {
            Self::Borrowed(text) => text.into_reply(to),
            Self::Owned(text) => text.into_reply(to),
        }
    }
}

impl IntoReply for Cow<'_, [u8]> {
    #[inline]
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        match self {
            Self::Borrowed(bytes) => bytes.into_reply(to),
            Self::Owned(bytes) => bytes.into_reply(to),
        }
    }
}

impl<const N: usize> IntoReply for &[u8; N] {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        to.binary(self);
        Ok(())
    }
}

/// Formats directly into the outbox: `format_args!` does not allocate.
impl IntoReply for fmt::Arguments<'_> {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        to.text_with(|out| std::io::Write::write_fmt(out, self))
    }
}

impl IntoReply for Message {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        match self {
            Self::Text(text) => text.into_reply(to),
            Self::Binary(bytes) => bytes.into_reply(to),
            Self::Ping(ping) => ping.into_reply(to),
            Self::Pong(pong) => pong.into_reply(to),
            Self::Close(close) => close.into_reply(to),
        }
    }
}

impl IntoReply for Ping {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        to.ping(&self.0)
    }
}

impl IntoReply for Pong {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        to.pong(&self.0)
    }
}

impl IntoReply for Close {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        to.close(self)
    }
}

impl<R: IntoReply> IntoReply for Option<R> {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.map_or(Ok(()), |reply| reply.into_reply(to))
    }
}

impl<R: IntoReply, E: MethodError> IntoReply for Result<R, E> {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        match self {
            Ok(reply) => reply.into_reply(to),
            Err(error) => send_error(error, to),
        }
    }
}

impl<R: IntoReply> IntoReply for Vec<R> {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.into_iter().try_for_each(|reply| reply.into_reply(to))
    }
}

impl<R: IntoReply, const N: usize> IntoReply for [R; N] {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.into_iter().try_for_each(|reply| reply.into_reply(to))
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)*) => {$(
        impl<$($name: IntoReply),+> IntoReply for ($($name,)+) {
            #[allow(non_snake_case)] // The type's letter names its value.
            fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
                let ($($name,)+) = self;
                $($name.into_reply(to)?;)+
                Ok(())
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
