//! The byte streams that connections run over.

#[cfg(feature = "session")]
mod base64;
mod deadline_timer;
mod frames;
pub(crate) mod hixie;
pub(crate) mod http;
#[cfg(feature = "http2")]
pub(crate) mod http2;
#[cfg(feature = "test-util")]
pub(crate) mod memory;
pub(crate) mod rewind;
#[cfg(feature = "session")]
pub(crate) mod session;
#[cfg(feature = "tungstenite")]
pub(crate) mod tungstenite;
pub(crate) mod write_timeout;

use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::task::{Context as TaskContext, Waker};

use hyper::http::Extensions;
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

use crate::error::BoxError;
use crate::options::SendLimits;
use crate::wire::Silence;
pub(crate) use deadline_timer::{Armed, DeadlineTimer, RuntimeTimer};
use rewind::Rewind;
use write_timeout::WriteTimeout;

/// The stream that the HTTP server hands over after an accepted handshake.
pub(crate) enum Stream {
    /// A TCP socket, from this crate's server.
    Tcp(TcpStream),
    /// A TLS connection, from this crate's server.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
    /// A stream of an HTTP/2 connection, from this crate's server.
    #[cfg(feature = "http2")]
    Http2(http2::Http2Stream),
    /// A stream of a test client.
    #[cfg(feature = "test-util")]
    Memory(memory::MemoryStream),
    /// A stream from another server, in a type that only that server knows.
    Other(TokioIo<Upgraded>),
}

/// A byte stream that the driver can run a connection over.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {
    /// The timer of a connection over this stream.
    type Timer: DeadlineTimer<Self> + Send;

    /// Whether dropping the stream closes it in order.
    ///
    /// True for a bare TCP socket: the kernel ends a dropped socket like one that is shut down, unless bytes
    /// are unread. The driver then saves the call of `shutdown`.
    const CLOSES_ON_DROP: bool = false;

    /// The value of the label `transport` of metrics.
    const NAME: &'static str = "other";

    /// Returns whether the socket has bytes, its end or an error to read. The answer comes from the kernel and
    /// not from the events that have been reported. `None` if another task reads the socket, and false without
    /// a socket.
    fn has_unread_input(&self) -> Option<bool> {
        Some(false)
    }

    /// Limits the bytes that the kernel holds for the client. A stream without a socket of its own ignores the
    /// limits.
    fn set_send_limits(&mut self, _: SendLimits) {}

    /// Whether the stream is that of a session, which goes on over other connections. Only then are the following
    /// methods called.
    const IS_SESSION: bool = false;

    /// Returns whether [`poll_session`](Self::poll_session) and [`take_attachment`](Self::take_attachment) have
    /// nothing to do, as in most polls.
    fn is_steady(&self) -> bool {
        false
    }

    /// Registers the task's waker with what wakes the session. Called before the first poll and after each change.
    fn register(&mut self, _: &Waker) {}

    /// Takes over a new connection, and checks whether the session ends. Called in each poll of a session that is not
    /// [steady](Self::is_steady), that closes or whose server stops.
    fn poll_session(&mut self, _: &mut TaskContext<'_>) -> SessionUpdate {
        SessionUpdate::default()
    }

    /// Returns whether a connection carries the session, if that has changed since the last call.
    fn take_attachment(&mut self) -> Option<bool> {
        None
    }

    /// Handles that a deadline of the client's silence has passed. Returns true if there is no client to close or to
    /// ping: no connection carries the session now, or the client was not silent.
    fn on_silence(&mut self, _: Silence, _: &TaskContext<'_>) -> bool {
        false
    }

    /// Announces that the server stops, so that the client connects again after a delay.
    fn announce_restart(&mut self) {}

    /// Handles that the engine closes: the session ends with its current connection.
    fn begin_close(&mut self) {}
}

/// What has happened to a session between two polls.
#[derive(Debug, Default)]
pub(crate) struct SessionUpdate {
    /// How many bytes of an incomplete message the engine has to drop, because their connection is lost.
    pub(crate) reset: usize,
    /// Whether another connection carries the session, whose client owes no answer yet.
    pub(crate) is_new_stream: bool,
    pub(crate) end: Option<SessionEnd>,
}

/// Why a session ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "session"), expect(dead_code, reason = "there are no sessions"))]
pub(crate) enum SessionEnd {
    /// No connection followed in time after one was lost for this reason.
    Expired(ErrorKind),
    /// The client begins anew, because the session cannot send what it lacks.
    Superseded,
}

/// Returns whether a read from a non-blocking socket would return at once.
pub(crate) fn has_unread_input<'a>(socket: impl Into<SockRef<'a>>) -> bool {
    let peek = socket.into().peek(&mut [MaybeUninit::uninit()]);
    !peek.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Sets the limits on a socket. A limit that the system refuses is not worth losing the connection.
#[cold]
pub(crate) fn limit_socket(socket: &SockRef<'_>, limits: SendLimits) {
    let SendLimits { send_buffer, unsent } = limits;
    // The options of the socket are numbers of type `int`.
    let to_int = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX).unsigned_abs();
    let result = send_buffer.map_or(Ok(()), |bytes| socket.set_send_buffer_size(to_int(bytes) as usize));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let result = result.and(unsent.map_or(Ok(()), |bytes| socket.set_tcp_notsent_lowat(to_int(bytes))));
    if let Err(error) = result {
        tracing::debug!(%error, ?unsent, "cannot limit the send buffer");
    }
}

impl Transport for TcpStream {
    type Timer = RuntimeTimer;

    const NAME: &'static str = "tcp";
    const CLOSES_ON_DROP: bool = true;

    fn has_unread_input(&self) -> Option<bool> {
        Some(has_unread_input(self))
    }

    fn set_send_limits(&mut self, limits: SendLimits) {
        limit_socket(&SockRef::from(&*self), limits);
    }
}

#[cfg(feature = "tls")]
impl Transport for Box<TlsStream<TcpStream>> {
    type Timer = RuntimeTimer;

    const NAME: &'static str = "tls";

    fn has_unread_input(&self) -> Option<bool> {
        Some(has_unread_input(self.get_ref().0))
    }

    fn set_send_limits(&mut self, limits: SendLimits) {
        limit_socket(&SockRef::from(self.get_ref().0), limits);
    }
}

#[cfg(feature = "http2")]
impl Transport for http2::Http2Stream {
    type Timer = RuntimeTimer;

    const NAME: &'static str = "http2";

    fn has_unread_input(&self) -> Option<bool> {
        None
    }
}

impl Transport for TokioIo<Upgraded> {
    type Timer = RuntimeTimer;
}

#[cfg(feature = "session")]
impl Transport for Rewind<Box<dyn ByteStream>> {
    type Timer = RuntimeTimer;

    fn has_unread_input(&self) -> Option<bool> {
        self.stream().map_or(Some(true), |stream| stream.has_unread_input())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for hixie::HixieTransport<T> {
    type Timer = RuntimeTimer;

    const NAME: &'static str = "hixie";
}

#[cfg(feature = "tungstenite")]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for tungstenite::TungsteniteTransport<S> {
    type Timer = RuntimeTimer;

    const NAME: &'static str = "tungstenite";
}

impl Transport for tokio::io::DuplexStream {
    type Timer = RuntimeTimer;

    const NAME: &'static str = "memory";
}

/// A byte stream of any type.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Returns the same as [`Transport::has_unread_input`].
    #[cfg_attr(not(feature = "session"), expect(dead_code, reason = "only sessions keep such streams"))]
    fn has_unread_input(&self) -> Option<bool>;
}

impl<T: Transport> ByteStream for T {
    fn has_unread_input(&self) -> Option<bool> {
        Transport::has_unread_input(self)
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Tcp(tcp)
    }
}

#[cfg(feature = "tls")]
impl From<TlsStream<TcpStream>> for Stream {
    fn from(tls: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(tls))
    }
}

impl Stream {
    /// Limits the bytes that the kernel holds for the client, as [`Transport::set_send_limits`] does.
    pub(crate) fn set_send_limits(&mut self, limits: SendLimits) {
        match self {
            Self::Tcp(tcp) => tcp.set_send_limits(limits),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.set_send_limits(limits),
            #[cfg(feature = "http2")]
            Self::Http2(io) => io.set_send_limits(limits),
            #[cfg(feature = "test-util")]
            Self::Memory(memory) => memory.io.set_send_limits(limits),
            Self::Other(io) => io.set_send_limits(limits),
        }
    }

    /// Returns the stream behind a trait object, for rare uses that are not worth compiling per type.
    pub(crate) fn boxed(self) -> Box<dyn ByteStream> {
        match self {
            Self::Tcp(tcp) => Box::new(tcp),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Box::new(tls),
            #[cfg(feature = "http2")]
            Self::Http2(io) => Box::new(io),
            #[cfg(feature = "test-util")]
            Self::Memory(memory) => Box::new(memory.io),
            Self::Other(io) => Box::new(io),
        }
    }
}

/// A stream that the HTTP server hands over after it has written the response.
pub(crate) enum PendingUpgrade {
    Hyper(OnUpgrade),
    #[cfg(feature = "http2")]
    Http2(tokio::sync::oneshot::Receiver<http2::Http2Stream>),
    #[cfg(feature = "test-util")]
    Memory(tokio::sync::oneshot::Receiver<memory::MemoryStream>),
}

impl PendingUpgrade {
    /// Takes the pending upgrade out of the request's extensions, if the HTTP server offers one.
    pub(crate) fn take_from(extensions: &mut Extensions) -> Option<Self> {
        #[cfg(feature = "http2")]
        if let Some(stream) =
            extensions.remove::<http2::Http2UpgradeSlot>().and_then(http2::Http2UpgradeSlot::take)
        {
            return Some(Self::Http2(stream));
        }
        #[cfg(feature = "test-util")]
        if let Some(stream) =
            extensions.remove::<memory::MemoryUpgradeSlot>().and_then(memory::MemoryUpgradeSlot::take)
        {
            return Some(Self::Memory(stream));
        }
        extensions.remove::<OnUpgrade>().map(Self::Hyper)
    }

    /// Awaits the stream. Returns it with the bytes that the HTTP server read after the request.
    ///
    /// # Errors
    ///
    /// Returns an error if the client disconnects before the response is written.
    pub(crate) async fn stream(self) -> Result<(Stream, Vec<u8>), BoxError> {
        match self {
            Self::Hyper(upgrade) => Ok(downcast_upgraded(upgrade.await?)),
            #[cfg(feature = "http2")]
            Self::Http2(stream) => Ok((Stream::Http2(stream.await?), Vec::new())),
            #[cfg(feature = "test-util")]
            Self::Memory(stream) => Ok((Stream::Memory(stream.await?), Vec::new())),
        }
    }
}

/// Returns the stream that hyper held, as its own type if this crate's server created it.
fn downcast_upgraded(upgraded: Upgraded) -> (Stream, Vec<u8>) {
    let upgraded = match upgraded.downcast::<TokioIo<WriteTimeout<Rewind<TcpStream>>>>() {
        Ok(parts) => return into_stream(parts),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "tls")]
    let upgraded = match upgraded.downcast::<TokioIo<WriteTimeout<Rewind<TlsStream<TcpStream>>>>>() {
        Ok(parts) => return into_stream(parts),
        Err(upgraded) => upgraded,
    };
    // `Upgraded` returns the bytes that hyper read before those of the stream.
    (Stream::Other(TokioIo::new(upgraded)), Vec::new())
}

/// Returns the stream of this crate's server, and all bytes that were read after the request.
fn into_stream<T: Into<Stream>>(parts: Parts<TokioIo<WriteTimeout<Rewind<T>>>>) -> (Stream, Vec<u8>) {
    let (prefix, io) = parts.io.into_inner().into_inner().into_parts();
    (io.into(), [parts.read_buf, prefix].concat())
}
