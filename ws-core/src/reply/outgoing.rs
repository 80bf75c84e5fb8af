//! Replies that a handler may send: anything, or the messages of its declaration.

use super::{AnyReply, IntoReply, Replies, Unchecked};
#[cfg(feature = "json")]
use super::{Goto, SendsOnly};
use crate::close::Close;
#[cfg(feature = "json")]
use crate::envelope::{Envelope, Messages, write_message};
use crate::error::{HandlerError, MethodError};
#[cfg(feature = "json")]
use crate::message::{Ping, Pong};

/// A reply that a handler with `sends = S` and the envelope `E` may send. Without `sends`, any [`IntoReply`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message that the handler sends",
    label = "not in the enum that the handler is declared with, `sends = …`",
    note = "return or send that enum, `()`, `Close`, `Ping`, `Pong`, or an `Option`, `Result`, `Vec`, array, tuple or `Deferred` of these"
)]
pub trait Outgoing<S, E>: Sized {
    /// Puts the frames into the outbox, in order.
    #[doc(hidden)]
    fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError>;
}

impl<R: IntoReply, E> Outgoing<AnyReply, E> for R {
    // PERF: inlined into generated code. budget: text64
    #[inline(always)]
    fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.into_reply(to)
    }
}

impl<R, E> Outgoing<Unchecked, E> for R {
    fn send(self, _: &mut Replies<'_>) -> Result<(), HandlerError> {
        unreachable!("code with errors does not run")
    }
}

#[cfg(feature = "json")]
impl<S: Messages, E: Envelope> Outgoing<SendsOnly<S>, E> for S {
    fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        to.text_with(|out| write_message::<E, S>(&self, out))
    }
}

#[cfg(feature = "json")]
macro_rules! without_name {
    ($($type:ty),*) => {$(
        impl<S: Messages, E: Envelope> Outgoing<SendsOnly<S>, E> for $type {
            fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
                self.into_reply(to)
            }
        }
    )*};
}

#[cfg(feature = "json")]
without_name!((), Close, Ping, Pong);

#[cfg(feature = "json")]
impl<S: Messages, E: Envelope, T: Send + 'static> Outgoing<SendsOnly<S>, E> for Goto<T> {
    fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.into_reply(to)
    }
}

#[cfg(feature = "json")]
impl<S: Messages, E: Envelope, R: Outgoing<SendsOnly<S>, E>> Outgoing<SendsOnly<S>, E> for Option<R> {
    fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.map_or(Ok(()), |reply| reply.send(to))
    }
}

#[cfg(feature = "json")]
impl<S: Messages, E: Envelope, R: Outgoing<SendsOnly<S>, E>, X: MethodError> Outgoing<SendsOnly<S>, E>
    for Result<R, X>
{
    fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        match self {
            Ok(reply) => reply.send(to),
            Err(error) => send_error(error, to),
        }
    }
}

#[cfg(feature = "json")]
impl<S: Messages, E: Envelope, R: Outgoing<SendsOnly<S>, E>> Outgoing<SendsOnly<S>, E> for Vec<R> {
    fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.into_iter().try_for_each(|reply| reply.send(to))
    }
}

#[cfg(feature = "json")]
impl<S: Messages, E: Envelope, R: Outgoing<SendsOnly<S>, E>, const N: usize> Outgoing<SendsOnly<S>, E>
    for [R; N]
{
    fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.into_iter().try_for_each(|reply| reply.send(to))
    }
}

#[cfg(feature = "json")]
macro_rules! tuples {
    ($($($name:ident $index:tt)+;)*) => {$(
        impl<S: Messages, E: Envelope, $($name: Outgoing<SendsOnly<S>, E>),+> Outgoing<SendsOnly<S>, E> for ($($name,)+) {
            fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
                $(self.$index.send(to)?;)+
                Ok(())
            }
        }
    )*};
}

#[cfg(feature = "json")]
tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 F 4;
    A 0 B 1 C 2 D 3 F 4 G 5;
    A 0 B 1 C 2 D 3 F 4 G 5 H 6;
    A 0 B 1 C 2 D 3 F 4 G 5 H 6 I 7;
}

/// Sends the close that is the error of a method, or returns another error.
pub(super) fn send_error(error: impl MethodError, to: &mut Replies<'_>) -> Result<(), HandlerError> {
    match error.into_box().downcast::<Close>() {
        Ok(close) => close.into_reply(to),
        Err(error) => Err(HandlerError::Method(error)),
    }
}
