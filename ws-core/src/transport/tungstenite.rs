//! A `WebSocketStream` as a byte stream of frames for the wire engine.
//!
//! The `WebSocketStream` cannot be taken apart, because it may have read bytes that it has not returned
//! yet. Instead, the transport converts its messages to frames: a message from the peer becomes a masked
//! frame, and a frame of the engine becomes a message. The `WebSocketStream` answers pings and closes
//! itself, which the engine leaves to it (see `Connection::over_managed_transport`).

use std::io::{self, Cursor};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker, ready};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tungstenite::error::{Error, ProtocolError as TungsteniteError};
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame, FrameHeader};
use tungstenite::{Message, Utf8Bytes};

use crate::close::ProtocolError;
use crate::wire::PeerActivity;

/// Length of the longest header of a masked frame.
const MAX_HEADER: usize = 14;

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
    /// Returns the next message as a frame; `None` if the peer has disconnected.
    fn poll_next_frame(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<Option<MaskedFrame>>> {
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
        Poll::Ready(Ok(Some(MaskedFrame::new(message))))
    }

    fn on_closed(&mut self) -> Option<MaskedFrame> {
        self.state = TransportState::Closed;
        None
    }

    /// Passes frames to the stream until the stream is full; returns the number of bytes passed.
    fn poll_send(&mut self, task: &mut TaskContext<'_>, frames: &[u8]) -> Poll<io::Result<usize>> {
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
    fn poll_flush_stream(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
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
                TransportState::Open => this.frame = ready!(this.poll_next_frame(task))?,
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

/// A message as a masked frame, which the engine reads in parts. The masking key is zero, so that masking
/// leaves the payload unchanged.
struct MaskedFrame {
    header: [u8; MAX_HEADER],
    /// The range of the header's unread bytes.
    unread: Range<usize>,
    payload: Bytes,
}

impl MaskedFrame {
    fn new(message: Message) -> Self {
        let (opcode, payload) = match message {
            Message::Text(text) => (OpCode::Data(Data::Text), text.into()),
            Message::Binary(bytes) => (OpCode::Data(Data::Binary), bytes),
            Message::Ping(payload) => (OpCode::Control(Control::Ping), payload),
            Message::Pong(payload) => (OpCode::Control(Control::Pong), payload),
            Message::Close(close) => {
                let frame = Frame::close(close);
                (OpCode::Control(Control::Close), frame.into_payload())
            }
            // No stream returns this variant; its header names the opcode.
            Message::Frame(frame) => (frame.header().opcode, frame.into_payload()),
        };
        let mut header = [0; MAX_HEADER];
        let mut space = &mut header[..];
        let masked = FrameHeader { opcode, mask: Some([0; 4]), ..FrameHeader::default() };
        // The buffer has space for the longest header.
        let _ = masked.format(payload.len() as u64, &mut space);
        let end = MAX_HEADER - space.len();
        Self { header, unread: 0..end, payload }
    }

    /// Copies as many bytes as fit into the buffer; returns whether the whole frame was read.
    fn read(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let header = &self.header[self.unread.clone()];
        let len = header.len().min(buf.remaining());
        buf.put_slice(&header[..len]);
        self.unread.start += len;
        let len = self.payload.len().min(buf.remaining());
        buf.put_slice(&self.payload.split_to(len));
        self.unread.is_empty() && self.payload.is_empty()
    }
}

/// Parses the first of the engine's frames as a message; returns it with the length of the frame.
fn parse_frame(frames: &[u8]) -> io::Result<(Message, usize)> {
    let mut cursor = Cursor::new(frames);
    let header = FrameHeader::parse(&mut cursor).ok().flatten();
    let whole = header.and_then(|(header, len)| {
        let start = usize::try_from(cursor.position()).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        Some((header, Bytes::copy_from_slice(frames.get(start..end)?), end))
    });
    let invalid = |reason: &'static str| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let (header, payload, size) = whole.ok_or_else(|| invalid("incomplete frame"))?;
    let message = match header.opcode {
        OpCode::Data(Data::Text | Data::Binary) if !header.is_final => {
            Message::Frame(Frame::from_payload(header, payload))
        }
        OpCode::Data(Data::Continue) => Message::Frame(Frame::from_payload(header, payload)),
        OpCode::Data(Data::Text) => {
            Message::Text(Utf8Bytes::try_from(payload).map_err(|_| invalid("text is not UTF-8"))?)
        }
        OpCode::Data(Data::Binary) => Message::Binary(payload),
        OpCode::Control(Control::Ping) => Message::Ping(payload),
        // The next pong could replace a `Message::Pong`, but not a `Message::Frame`.
        OpCode::Control(Control::Pong) => Message::Frame(Frame::pong(payload)),
        OpCode::Control(Control::Close) => Message::Close(parse_close(&payload)),
        _ => return Err(invalid("unexpected opcode")),
    };
    Ok((message, size))
}

fn parse_close(payload: &[u8]) -> Option<CloseFrame> {
    let (code, reason) = payload.split_first_chunk()?;
    let reason = String::from_utf8_lossy(reason);
    Some(CloseFrame { code: u16::from_be_bytes(*code).into(), reason: Utf8Bytes::from(&*reason) })
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
