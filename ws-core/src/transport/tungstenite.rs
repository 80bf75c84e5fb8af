//! A `WebSocketStream` as the byte stream of frames that the wire engine speaks.
//!
//! The stream cannot be taken apart, for it may have read more than it gave away. So it stays, and
//! its messages become frames again: those that it reads look to the engine like a client's, and
//! the frames that the engine writes leave as messages. What the stream does by itself the engine
//! leaves to it (see `Connection::assisted`).

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

/// The most bytes of header that a frame from a client has.
const MAX_HEADER: usize = 14;

/// A byte stream over a `WebSocketStream`: masked frames come out, whole unmasked ones go in.
///
/// It holds one message at most, and none for the stream: what was written counts as taken when
/// the stream has flushed it, so that the engine's outbox is what bounds it.
pub(crate) struct TungsteniteTransport<S> {
    stream: WebSocketStream<S>,
    /// The message that is being read.
    frame: Option<MaskedFrame>,
    /// Bytes at the front of the outbox that the stream has, but has not flushed.
    in_flight: usize,
    /// Whether there may be something to flush: a message, or an answer of the stream's own.
    needs_flush: bool,
    state: TransportState,
    activity_waker: Arc<ActivityWaker>,
    waker: Waker,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TransportState {
    Open,
    /// The peer has closed or is gone. The stream takes nothing more, and what it still has to say
    /// to that it says itself.
    Closed,
    /// The peer broke the protocol: the stream reads no more, but a close frame can still be sent.
    Faulty,
}

impl<S> TungsteniteTransport<S> {
    /// A bridge over a stream, which it tells by `activity` that its peer is alive.
    pub(crate) fn new(stream: WebSocketStream<S>, activity: Arc<PeerActivity>) -> Self {
        let activity_waker = Arc::new(ActivityWaker { waker: AtomicWaker::new(), activity });
        let waker = Waker::from(Arc::clone(&activity_waker));
        // Whoever had the stream before may have left something in it.
        Self {
            stream,
            frame: None,
            in_flight: 0,
            needs_flush: true,
            state: TransportState::Open,
            activity_waker,
            waker,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TungsteniteTransport<S> {
    /// The next message as a frame; `None` if the peer is gone.
    fn poll_next_frame(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<Option<MaskedFrame>>> {
        // The stream reads on even if it cannot send its pongs, and keeps all of them.
        ready!(self.poll_flush_stream(task))?;
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
        // It has queued its answer.
        self.needs_flush |= matches!(message, Message::Ping(_) | Message::Close(_));
        if matches!(message, Message::Close(_)) {
            self.state = TransportState::Closed;
        }
        Poll::Ready(Ok(Some(MaskedFrame::new(message))))
    }

    fn on_closed(&mut self) -> Option<MaskedFrame> {
        self.state = TransportState::Closed;
        None
    }

    /// Hands frames to the stream until it is full; returns how many bytes that were.
    fn poll_send(&mut self, task: &mut TaskContext<'_>, frames: &[u8]) -> Poll<io::Result<usize>> {
        let mut rest = frames;
        while !rest.is_empty() {
            let is_first = rest.len() == frames.len();
            let (message, size) = parse_frame(rest)?;
            // The stream forgets a close frame that does not fit behind what it has.
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

    /// Flushes what the stream has.
    fn poll_flush_stream(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        if self.needs_flush {
            self.activity_waker.waker.register(task.waker());
            let mut task = TaskContext::from_waker(&self.waker);
            ready!(Pin::new(&mut self.stream).poll_flush(&mut task)).map_err(into_io_error)?;
            // Behind its last close frame it does not flush what it writes to.
            ready!(Pin::new(self.stream.get_mut()).poll_flush(&mut task))?;
            self.needs_flush = false;
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
                // The engine drops what comes now, and waits for the end.
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

/// It is given the whole outbox, which is whole frames, and takes whole frames; so no frame is ever
/// cut.
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
            // A pong of the stream's own would be replaced by one of the handler.
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
        Pin::new(this.stream.get_mut()).poll_shutdown(task)
    }
}

/// A message on its way to the engine, as a masked frame. The key is zero, so that the payload is
/// what it is.
struct MaskedFrame {
    header: [u8; MAX_HEADER],
    /// Where the rest of the header is.
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
            // Not read by any stream; what it is, is what it says.
            Message::Frame(frame) => (frame.header().opcode, frame.into_payload()),
        };
        let mut header = [0; MAX_HEADER];
        let mut space = &mut header[..];
        let masked = FrameHeader { opcode, mask: Some([0; 4]), ..FrameHeader::default() };
        // There is room for the longest.
        let _ = masked.format(payload.len() as u64, &mut space);
        let end = MAX_HEADER - space.len();
        Self { header, unread: 0..end, payload }
    }

    /// Copies what the buffer takes; true if that was the rest.
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

/// The first of the engine's frames as a message, and how many bytes it takes.
fn parse_frame(frames: &[u8]) -> io::Result<(Message, usize)> {
    let mut cursor = Cursor::new(frames);
    let header = FrameHeader::parse(&mut cursor).ok().flatten();
    let whole = header.and_then(|(header, len)| {
        let start = usize::try_from(cursor.position()).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        Some((header.opcode, Bytes::copy_from_slice(frames.get(start..end)?), end))
    });
    let invalid = |what: &'static str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let (opcode, payload, size) = whole.ok_or_else(|| invalid("not a whole frame"))?;
    let message = match opcode {
        OpCode::Data(Data::Text) => {
            Message::Text(Utf8Bytes::try_from(payload).map_err(|_| invalid("text is not UTF-8"))?)
        }
        OpCode::Data(Data::Binary) => Message::Binary(payload),
        OpCode::Control(Control::Ping) => Message::Ping(payload),
        // As a message it could be replaced by the next one.
        OpCode::Control(Control::Pong) => Message::Frame(Frame::pong(payload)),
        OpCode::Control(Control::Close) => Message::Close(parse_close(&payload)),
        _ => return Err(invalid("not a frame of the engine")),
    };
    Ok((message, size))
}

fn parse_close(payload: &[u8]) -> Option<CloseFrame> {
    let (code, reason) = payload.split_first_chunk()?;
    let reason = String::from_utf8_lossy(reason);
    Some(CloseFrame { code: u16::from_be_bytes(*code).into(), reason: Utf8Bytes::from(&*reason) })
}

/// How the peer broke the protocol, if that is what the stream complains about.
fn protocol_error(error: &Error) -> Option<ProtocolError> {
    Some(match error {
        Error::Protocol(TungsteniteError::ResetWithoutClosingHandshake) => return None,
        Error::Protocol(error) => ProtocolError::BadFrame(match error {
            TungsteniteError::NonZeroReservedBits => "reserved bits are set",
            TungsteniteError::InvalidOpcode(_)
            | TungsteniteError::UnknownControlFrameType(_)
            | TungsteniteError::UnknownDataFrameType(_) => "opcode is unknown",
            TungsteniteError::UnexpectedContinueFrame => "continuation of no message",
            TungsteniteError::ExpectedFragment(_) => "new message inside a fragmented one",
            TungsteniteError::FragmentedControlFrame => "fragmented control frame",
            TungsteniteError::ControlFrameTooBig => "control frame is too long",
            TungsteniteError::UnmaskedFrameFromClient => "frame is not masked",
            TungsteniteError::MaskedFrameFromServer => "frame is masked",
            TungsteniteError::InvalidCloseSequence => "close frame with half a code",
            _ => "protocol violation",
        }),
        Error::Utf8(_) => ProtocolError::BadEncoding,
        Error::Capacity(_) => ProtocolError::MessageTooBig,
        _ => return None,
    })
}

/// Whether the stream says that its peer is gone.
fn is_disconnect(error: &Error) -> bool {
    matches!(
        error,
        Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(TungsteniteError::ResetWithoutClosingHandshake)
    )
}

/// Why the stream neither reads nor writes any more.
fn into_io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        // Also what is sent over a stream that was closed before it came here.
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_) => {
            io::ErrorKind::BrokenPipe.into()
        }
        // More than fits the stream's empty buffer.
        Error::WriteBufferFull(_) | Error::Capacity(_) => io::ErrorKind::FileTooLarge.into(),
        error => io::Error::other(error),
    }
}

/// Wakes the task, and notes that the peer did something: it sent bytes that make no message yet,
/// or took some of those that it is sent.
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
