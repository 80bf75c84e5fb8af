//! The replies of a handler.

use super::{Declared, Handler};
use crate::reply::{MessageProtocol, Outgoing};

/// The messages that a handler sends, as its declaration names them.
type Sends<H> = <<H as Declared>::Protocol as MessageProtocol>::Sends;
type SentIn<H> = <<H as Declared>::Protocol as MessageProtocol>::Envelope;

/// A reply that a handler `H` may send: the bound of [`Context::send`](crate::Context::send).
///
/// Implemented for every [`IntoReply`](crate::IntoReply), unless the handler is declared with `sends`; then for the
/// messages of that enum. Name this trait in code that is generic over the handler.
///
/// ```
/// use ws_core::{Context, Handler, ReplyOf};
///
/// /// Sends the same reply `times` times.
/// fn repeat<H: Handler, R: ReplyOf<H> + Clone>(reply: &R, times: usize, cx: &mut Context<H>) {
///     for _ in 0..times {
///         cx.send(reply.clone());
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply of `{H}`",
    label = "cannot be sent to the client",
    note = "a handler sends `()`, `&str`, `String`, `Vec<u8>`, `Bytes`, `Json<T>`, `Message`, `Ping`, `Pong`, `Close`, or an `Option`, `Result`, tuple, array or `Vec` of replies; implement `IntoReply` for a type of your own",
    note = "a handler that is declared with `sends = Event` sends only `Event`, `Ping`, `Pong` and `Close`, and an `Event` is sent only with that option"
)]
pub trait ReplyOf<H: Handler>: Outgoing<Sends<H>, SentIn<H>> {}

impl<H: Handler, R: Outgoing<Sends<H>, SentIn<H>>> ReplyOf<H> for R {}
