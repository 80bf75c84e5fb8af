//! `drive`: a handler over a `WebSocketStream` of the caller.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;

use super::run;
use crate::clock::now;
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::context::Context;
use crate::handler::Handler;
use crate::options::Options;
use crate::transport::Transport;
use crate::transport::tungstenite::TungsteniteTransport;
use crate::wire::{Connection, PeerActivity, ReadsWhileWriting};

/// Runs a handler over an existing `WebSocketStream`, like a connection that the router accepts (feature
/// `tungstenite`).
///
/// The stream may come from another server or from a client's handshake, in either role. If messages have
/// been read from the stream, those that it has buffered reach the handler first. The handler needs neither a
/// path nor `Default`. Of its declaration, `path`, `subprotocols`, `origins` and `compress` have no meaning
/// here. [`Context::peer_addr`](crate::Context::peer_addr) and
/// [`subprotocol`](crate::Context::subprotocol) return `None`. Cowboy has no such function: its handlers only
/// run where its listener accepted the connection.
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
/// # When it returns
///
/// The future completes when the connection has ended: `#[on_close]` has run, the handler is dropped, the
/// last frame is flushed, and the underlying stream is shut down and dropped, in either role. The output is
/// the reason that `#[on_close]` received. The shutdown of a server does not reach such a connection.
///
/// # Cancellation
///
/// Dropping the future drops handler and stream: `#[on_close]` does not run, the peer gets no close frame, and
/// sends to the handler's address fail. The future runs inside a tokio runtime with a timer. The idle timeout
/// begins when the function is called.
///
/// # Limits of the stream
///
/// The stream parses frames and answers pings. The stream answers a close as soon as it reads the close frame, with
/// the same code and text, and sends nothing after that. Therefore:
///
/// - **Output precedes input.** The driver does not read while output waits, at whatever `outbox_high_water`.
///   Replies that a method has sent before the peer's close is read are written before the close is answered.
/// - **Pending methods delay reads.** A pending async method has a quarter of a second (or `cancel_timeout`, if
///   that is shorter) before the stream is read again. Pings are answered, and a close is detected, that much
///   later. Replies of a method that takes longer cannot be sent after the peer's close, nor can replies to
///   mailbox messages that were still queued then. The methods themselves run as usual.
/// - **The stream's limits apply besides those of the declaration.** The stream assembles a message before
///   `max_message_size` is checked, and text must be UTF-8 whatever `validate_utf8` is. A protocol error is
///   detected at the end of its frame. Errors of the stream close with the same codes and reasons, except for a
///   close frame with an invalid code, which the stream reports as code 1002. Set the limits in the stream's
///   `WebSocketConfig` before: they cannot be changed later. A message above its `max_write_buffer_size` cannot
///   be sent and ends the connection with [`CloseReason::ConnectionLost`].
/// - **The stream has its own buffers**: by default 128 KiB for reading, as long as it exists.
pub fn drive<H, S>(handler: H, stream: WebSocketStream<S>) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    drive_stream(handler, stream, H::CHECKED_DECLARATION.options, ReadsWhileWriting::No, None, None, None)
}

/// Like [`drive`], but with options, the server's address, the subprotocol, and a permit that can request a shutdown.
/// A stream that is read while output waits is one of the client's role.
pub(crate) fn drive_stream<H, S>(
    handler: H,
    stream: WebSocketStream<S>,
    options: Options,
    reads: ReadsWhileWriting,
    peer: Option<SocketAddr>,
    subprotocol: Option<Box<str>>,
    permit: Option<ConnectionPermit>,
) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let transport = move |activity| {
        let mut transport = TungsteniteTransport::new(stream, activity);
        if reads != ReadsWhileWriting::No {
            transport.set_client();
        }
        transport
    };
    drive_transport(handler, transport, options, reads, peer, subprotocol, permit)
}

/// Like [`drive_stream`], but over the transport that a function makes, which is managed as a `WebSocketStream` is. The
/// transport sets the activity.
pub(crate) fn drive_transport<H, T>(
    handler: H,
    transport: impl FnOnce(Arc<PeerActivity>) -> T,
    options: Options,
    reads: ReadsWhileWriting,
    peer: Option<SocketAddr>,
    subprotocol: Option<Box<str>>,
    permit: Option<ConnectionPermit>,
) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    T: Transport,
{
    let activity = Arc::<PeerActivity>::default();
    let wire = Connection::over_managed_transport(Arc::new(options), Arc::clone(&activity), reads, now());
    run(handler, Context::new(wire, peer, subprotocol), transport(activity), permit)
}

#[cfg(test)]
mod tests;
