//! A handler over a stream that somebody has already.

use std::future::Future;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;

use super::run;
use crate::clock::now;
use crate::close::CloseReason;
use crate::context::Context;
use crate::handler::Handler;
use crate::transport::tungstenite::TungsteniteTransport;
use crate::wire::{Connection, PeerActivity};

/// Runs a handler over a `WebSocketStream` that you have already, with the promises of one that
/// the router mounts (feature `tungstenite`).
///
/// The stream may come from another server or from a client's handshake, in either role, and may
/// have been read from: what it has read and not given away reaches the handler first. The handler
/// needs neither a path nor `Default`; of its declaration, `path`, `subprotocols`, `origins` and
/// `compress` have no meaning here. [`Context::peer_addr`](crate::Context::peer_addr) and
/// [`subprotocol`](crate::Context::subprotocol) are `None`. Cowboy has no such function: there a
/// handler only ever runs where its listener accepted it.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use tokio_tungstenite::{WebSocketStream, tungstenite::{Message, protocol::Role}};
/// use ws_core::prelude::*;
///
/// #[websocket]
/// struct Greeter { greeting: &'static str }
///
/// #[websocket]
/// impl Greeter {
///     #[on_text]
///     fn greet(&mut self, name: &str) -> String {
///         format!("{}, {name}!", self.greeting)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (client, server) = tokio::io::duplex(1024);
/// let server = WebSocketStream::from_raw_socket(server, Role::Server, None).await;
/// let ended = tokio::spawn(ws_core::drive(Greeter { greeting: "Hello" }, server));
///
/// let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
/// client.send(Message::text("world")).await?;
/// assert_eq!(client.next().await.unwrap()?, Message::text("Hello, world!"));
/// client.close(None).await?;
/// assert_eq!(ended.await?, CloseReason::Remote(None));
/// # Ok(())
/// # }
/// ```
///
/// # When it ends
///
/// It returns when the connection has ended: `#[on_close]` has run, the handler is dropped, the
/// last frame is flushed, and the stream underneath is shut down and dropped, in either role. The
/// reason is the one that `#[on_close]` was told. No server's shutdown reaches it.
///
/// If its future is dropped instead, handler and stream are dropped with it: `#[on_close]` does not
/// run, the peer gets no close frame, and whoever has the address finds it closed. It runs inside
/// a tokio runtime with a clock; the idle timeout begins when it is called.
///
/// # What is the stream's own
///
/// The stream takes frames apart, answers pings, and answers a close as soon as it reads it, with
/// the text of that close; then it sends nothing more. So:
///
/// - **Nothing is read while something waits to be written**, at whatever `outbox_high_water`. What
///   a method has sent when the peer's close or its end is read has gone out.
/// - **A pending async method has a quarter of a second** (or `cancel_timeout`, if that is shorter)
///   before more is read: pings are answered, and a close is seen, that much later. What a method
///   that takes longer says after the peer's close cannot be sent; nor what mail makes the handler
///   say that was still waiting then. It is handled as ever.
/// - **The stream's limits count besides those of the declaration.** It puts a message together
///   before `max_message_size` is looked at, and text must be UTF-8 whatever `validate_utf8` says: a
///   fault is found at the end of its frame. What the stream does not accept closes with the same
///   codes and reasons, but for a close frame with a code that may not be sent, which the stream
///   shows as one with 1002. Set the limits in its `WebSocketConfig`, which cannot be changed
///   later; what is larger than its `max_write_buffer_size` cannot be sent and ends the connection
///   as [`CloseReason::ConnectionLost`].
/// - **It has buffers of its own**: 128 KiB for reading, by default, for as long as it lives.
pub fn drive<H, S>(handler: H, stream: WebSocketStream<S>) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let activity = Arc::<PeerActivity>::default();
    let wire = Connection::over_managed_transport(
        Arc::new(H::CHECKED_DECLARATION.options),
        Arc::clone(&activity),
        now(),
    );
    run(handler, Context::new(wire, None, None), TungsteniteTransport::new(stream, activity), None)
}

#[cfg(test)]
mod tests;
