//! A `WebSocketStream` as a byte stream of frames for the wire engine.
//!
//! The `WebSocketStream` cannot be taken apart, because it may have read bytes that it has not returned
//! yet. Instead, the transport converts its messages to frames: a message from the peer becomes a masked
//! frame, and a frame of the engine becomes a message. The `WebSocketStream` answers pings and closes
//! itself, which the engine leaves to it (see `Connection::over_managed_transport`).

mod frames;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker, ready};

pub(crate) use frames::MaskedFrame;
use frames::parse_frame;
use futures_util::task::AtomicWaker;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tungstenite::Message;
use tungstenite::error::{Error, ProtocolError as TungsteniteError};

use crate::close::ProtocolError;
use crate::wire::PeerActivity;

/// How many pongs the stream of a client may queue while its output waits. Then the stream is not read.
const MAX_UNFLUSHED_PONGS: u32 = 16;

/// How many reads of a poll discard bytes that follow the server's close frame.
const MAX_DISCARDS: u32 = 16;

/// A byte stream over a `WebSocketStream`. Reads return masked frames, writes take whole unmasked frames.
///
/// The transport holds up to one received message. A write completes only after the `WebSocketStream` has
/// flushed the frames, so the limits of the engine's outbox bound the memory of both.
pub(crate) struct TungsteniteTransport<S> {
    stream: WebSocketStream<S>,
    /// The message that the engine is reading.
    frame: Option<MaskedFrame>,
    /// Number of bytes at the front of the outbox that the stream has taken, but not flushed.
    in_flight: usize,
    /// Whether the stream may hold an unflushed message or reply of its own.
    needs_flush: bool,
    /// Whether the stream is one of the client's role.
    is_client: bool,
    /// Number of pongs that the stream may not have flushed.
    unflushed_pongs: u32,
    state: TransportState,
    activity_waker: Arc<ActivityWaker>,
    waker: Waker,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TransportState {
    Open,
    /// The peer has closed or disconnected. The stream takes no more messages, and sends the close reply
    /// itself.
    Closed,
    /// The peer violated the protocol. The stream reads no more, but can still send a close frame.
    Faulty,
}

impl<S> TungsteniteTransport<S> {
    /// Creates a transport over a stream. `activity` is set whenever the peer sends or receives bytes.
    pub(crate) fn new(stream: WebSocketStream<S>, activity: Arc<PeerActivity>) -> Self {
        let activity_waker = Arc::new(ActivityWaker { waker: AtomicWaker::new(), activity });
        let waker = Waker::from(Arc::clone(&activity_waker));
        // The previous owner of the stream may have left unflushed messages in it.
        Self {
            stream,
            frame: None,
            in_flight: 0,
            needs_flush: true,
            is_client: false,
            unflushed_pongs: 0,
            state: TransportState::Open,
            activity_waker,
            waker,
        }
    }

    /// Sets that the stream is one of the client's role. Such a stream is read while output waits, and after the close
    /// handshake it waits for the server to end TCP (RFC 6455 §7.1.1).
    pub(crate) fn set_client(&mut self) {
        self.is_client = true;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TungsteniteTransport<S> {
    /// Returns whether the peer has neither closed nor violated the protocol.
    pub(crate) fn is_open(&self) -> bool {
        self.state == TransportState::Open
    }

    /// Returns whether the peer has closed or disconnected.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == TransportState::Closed
    }

    /// Returns the next message; `None` if the peer has disconnected.
    pub(crate) fn poll_message(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<Option<Message>>> {
        // Flush first: a stream that cannot send its pongs still reads, and queues one pong per ping.
        if self.poll_flush_stream(task)?.is_pending()
            && (!self.is_client || self.unflushed_pongs >= MAX_UNFLUSHED_PONGS)
        {
            return Poll::Pending;
        }
        self.activity_waker.waker.register(task.waker());
        let next = Pin::new(&mut self.stream).poll_next(&mut TaskContext::from_waker(&self.waker));
        let message = match ready!(next) {
            Some(Ok(message)) => message,
            Some(Err(error)) => match protocol_error(&error) {
                Some(error) => {
                    self.state = TransportState::Faulty;
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                None if is_disconnect(&error) => return Poll::Ready(Ok(self.on_closed())),
                None => return Poll::Ready(Err(into_io_error(error))),
            },
            None => return Poll::Ready(Ok(self.on_closed())),
        };
        // The stream has queued its reply.
        self.needs_flush |= matches!(message, Message::Ping(_) | Message::Close(_));
        self.unflushed_pongs += u32::from(matches!(message, Message::Ping(_)));
        if matches!(message, Message::Close(_)) {
            self.state = TransportState::Closed;
        }
        Poll::Ready(Ok(Some(message)))
    }

    fn on_closed(&mut self) -> Option<Message> {
        self.state = TransportState::Closed;
        None
    }

    /// Passes frames to the stream until the stream is full; returns the number of bytes passed.
    pub(crate) fn poll_send(&mut self, task: &mut TaskContext<'_>, frames: &[u8]) -> Poll<io::Result<usize>> {
        let mut rest = frames;
        while !rest.is_empty() {
            let is_first = rest.len() == frames.len();
            let (message, size) = parse_frame(rest)?;
            // The stream drops a close frame that does not fit after its queued messages.
            if matches!(message, Message::Close(_)) && !is_first {
                break;
            }
            self.activity_waker.waker.register(task.waker());
            let mut sink = Pin::new(&mut self.stream);
            match sink.as_mut().poll_ready(&mut TaskContext::from_waker(&self.waker)) {
                Poll::Ready(ready) => ready.map_err(into_io_error)?,
                Poll::Pending if is_first => return Poll::Pending,
                Poll::Pending => break,
            }
            match sink.start_send(message) {
                Ok(()) => self.needs_flush = true,
                Err(Error::WriteBufferFull(_)) if !is_first => break,
                Err(error) => return Poll::Ready(Err(into_io_error(error))),
            }
            rest = &rest[size..];
        }
        Poll::Ready(Ok(frames.len() - rest.len()))
    }

    /// Flushes the stream, if it may hold unflushed messages.
    pub(crate) fn poll_flush_stream(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        if self.needs_flush {
            self.activity_waker.waker.register(task.waker());
            let mut task = TaskContext::from_waker(&self.waker);
            ready!(Pin::new(&mut self.stream).poll_flush(&mut task)).map_err(into_io_error)?;
            // After its last close frame, the stream does not flush the inner stream.
            ready!(Pin::new(self.stream.get_mut()).poll_flush(&mut task))?;
            self.needs_flush = false;
            self.unflushed_pongs = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TungsteniteTransport<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.frame.is_none() {
            match this.state {
                TransportState::Open => this.frame = ready!(this.poll_message(task))?.map(MaskedFrame::new),
                TransportState::Closed => {}
                // The engine discards these bytes and waits for the end.
                TransportState::Faulty => return Pin::new(this.stream.get_mut()).poll_read(task, buf),
            }
        }
        if let Some(frame) = &mut this.frame
            && frame.read(buf)
        {
            this.frame = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// The driver passes the whole outbox, which holds whole frames, and each write takes whole frames. A write
/// therefore never starts or ends inside a frame.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TungsteniteTransport<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        frames: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.state == TransportState::Closed {
            return Poll::Ready(Ok(frames.len()));
        }
        if this.in_flight == 0 {
            // Flush first: a pong of the handler would replace a queued pong of the stream.
            ready!(this.poll_flush_stream(task))?;
            this.in_flight = ready!(this.poll_send(task, frames))?;
        }
        ready!(this.poll_flush_stream(task))?;
        Poll::Ready(Ok(std::mem::take(&mut this.in_flight).min(frames.len())))
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush_stream(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_flush_stream(task))?;
        if this.is_client && this.state == TransportState::Closed {
            ready!(poll_discard(this.stream.get_mut(), task));
        }
        Pin::new(this.stream.get_mut()).poll_shutdown(task)
    }
}

/// Discards what follows the server's close frame, until the server has ended the stream.
fn poll_discard(stream: &mut (impl AsyncRead + Unpin), task: &mut TaskContext<'_>) -> Poll<()> {
    let mut bytes = [0; 1024];
    for _ in 0..MAX_DISCARDS {
        let mut buf = ReadBuf::new(&mut bytes);
        match ready!(Pin::new(&mut *stream).poll_read(task, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {}
            _ => return Poll::Ready(()),
        }
    }
    task.waker().wake_by_ref();
    Poll::Pending
}

/// Returns the protocol error of the peer that an error of the stream reports, if it reports one.
fn protocol_error(error: &Error) -> Option<ProtocolError> {
    Some(match error {
        Error::Protocol(TungsteniteError::ResetWithoutClosingHandshake) => return None,
        Error::Protocol(error) => ProtocolError::BadFrame(match error {
            TungsteniteError::NonZeroReservedBits => "reserved bits are set",
            TungsteniteError::InvalidOpcode(_)
            | TungsteniteError::UnknownControlFrameType(_)
            | TungsteniteError::UnknownDataFrameType(_) => "opcode is unknown",
            TungsteniteError::UnexpectedContinueFrame => "continuation without a message",
            TungsteniteError::ExpectedFragment(_) => "new message inside a fragmented one",
            TungsteniteError::FragmentedControlFrame => "fragmented control frame",
            TungsteniteError::ControlFrameTooBig => "control frame is too long",
            TungsteniteError::UnmaskedFrameFromClient => "frame is not masked",
            TungsteniteError::MaskedFrameFromServer => "frame is masked",
            TungsteniteError::InvalidCloseSequence => "close frame with an incomplete code",
            _ => "protocol violation",
        }),
        Error::Utf8(_) => ProtocolError::BadEncoding,
        Error::Capacity(_) => ProtocolError::MessageTooBig,
        _ => return None,
    })
}

/// Returns whether an error of the stream means that the peer has disconnected.
fn is_disconnect(error: &Error) -> bool {
    matches!(
        error,
        Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(TungsteniteError::ResetWithoutClosingHandshake)
    )
}

/// Converts an error that ends reading and writing.
fn into_io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        // `Protocol` includes a send on a stream that was closed before the transport received it.
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_) => {
            io::ErrorKind::BrokenPipe.into()
        }
        // The message exceeds the stream's empty buffer.
        Error::WriteBufferFull(_) | Error::Capacity(_) => io::ErrorKind::FileTooLarge.into(),
        error => io::Error::other(error),
    }
}

/// A waker of the connection's task that records activity of the peer: the peer sent a part of a message,
/// or received a part of one.
struct ActivityWaker {
    waker: AtomicWaker,
    activity: Arc<PeerActivity>,
}

impl Wake for ActivityWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.activity.set();
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests;
