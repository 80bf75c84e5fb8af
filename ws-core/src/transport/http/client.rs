//! The client's end of a connection in memory.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use crate::transport::frames::{FrameKind, ServerFrames};
use crate::wire::MAX_HEADER;

/// Maximum number of bytes that wait between the engine and the client. Further bytes stay in the engine's
/// outbox, whose limits apply to them.
pub(super) const MAX_WAITING: usize = 16 << 10;

/// Maximum number of bytes per read.
const MAX_READ: usize = 8 << 10;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// A client of the engine.
///
/// Dropping the client ends the connection like the loss of a network connection.
#[derive(Debug)]
pub(crate) struct FrameClient<T = DuplexStream> {
    io: T,
    frames: ServerFrames,
    /// Bytes that were read and not parsed.
    unread: Bytes,
    /// The payload of the control frame in progress.
    control: Vec<u8>,
    /// Frames that are not written yet: at most one pong and a close.
    output: Bytes,
}

/// A part of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MessageBytes {
    pub(crate) is_text: bool,
    pub(crate) bytes: Bytes,
    pub(crate) is_first: bool,
    pub(crate) is_last: bool,
    /// The length of the rest of the message, if it is known.
    pub(crate) remaining: Option<u64>,
}

/// The end of a connection, from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerClose {
    /// The code of the close frame, `None` if the frame has none, and 1006 without a frame (RFC 6455 §7.4.1).
    pub(crate) code: Option<u16>,
    pub(crate) reason: String,
}

/// The next event of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerEvent {
    Message(MessageBytes),
    /// A ping. The client answers when it is polled again.
    Ping,
    Close(ServerClose),
}

impl FrameClient {
    /// Returns a client, and the stream that the engine reads and writes.
    pub(crate) fn new() -> (Self, DuplexStream) {
        let (io, server) = duplex(MAX_WAITING);
        (Self::over(io), server)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> FrameClient<T> {
    /// Creates a client over its end of a stream.
    pub(super) fn over(io: T) -> Self {
        Self {
            io,
            frames: ServerFrames::default(),
            unread: Bytes::new(),
            control: Vec::new(),
            output: Bytes::new(),
        }
    }

    /// Like [`poll_event`](Self::poll_event), without binary messages, which are dropped.
    pub(super) fn poll_text_event(&mut self, task: &mut TaskContext<'_>) -> Poll<ServerEvent> {
        loop {
            match ready!(self.poll_event(task)) {
                ServerEvent::Message(part) if !part.is_text => {
                    if part.is_first {
                        tracing::debug!("binary message dropped: the transport has only text");
                    }
                }
                event => return Poll::Ready(event),
            }
        }
    }

    /// Returns the next event. After [`ServerEvent::Close`] there is none.
    pub(super) fn poll_event(&mut self, task: &mut TaskContext<'_>) -> Poll<ServerEvent> {
        loop {
            self.write_output(task);
            let mut input = &self.unread[..];
            let Some(part) = self.frames.next_part(&mut input, usize::MAX) else {
                // A part of a header, which the parser has taken.
                self.unread = Bytes::new();
                if ready!(self.poll_read(task)) {
                    continue;
                }
                let reason = "the connection was lost".to_owned();
                return Poll::Ready(ServerEvent::Close(ServerClose { code: Some(1006), reason }));
            };
            let bytes = self.unread.slice_ref(part.payload);
            let (kind, is_first, is_last, remaining) =
                (part.kind, part.is_first, part.is_last, part.remaining);
            let taken = self.unread.len() - input.len();
            self.unread.advance(taken);
            match kind {
                FrameKind::Text | FrameKind::Binary => {
                    let is_text = kind == FrameKind::Text;
                    let part = MessageBytes { is_text, bytes, is_first, is_last, remaining };
                    return Poll::Ready(ServerEvent::Message(part));
                }
                FrameKind::Pong => {}
                FrameKind::Ping | FrameKind::Close => {
                    self.control.extend_from_slice(&bytes);
                    if is_last {
                        return Poll::Ready(self.end_control_frame(kind));
                    }
                }
            }
        }
    }

    fn end_control_frame(&mut self, kind: FrameKind) -> ServerEvent {
        let payload = std::mem::take(&mut self.control);
        if kind == FrameKind::Close {
            let (code, reason) = match payload.split_first_chunk() {
                Some((code, reason)) => (Some(u16::from_be_bytes(*code)), reason),
                None => (None, &[][..]),
            };
            let reason = String::from_utf8_lossy(reason).into_owned();
            return ServerEvent::Close(ServerClose { code, reason });
        }
        // RFC 6455 §5.5.3: if the client has not answered an earlier ping, it may answer the latest one only.
        if self.output.is_empty() {
            self.output = frame(0x0a, &payload).into();
        }
        ServerEvent::Ping
    }

    /// Returns the next part of a text message, or the end of the connection.
    pub(crate) async fn next_part(&mut self) -> Result<MessageBytes, ServerClose> {
        loop {
            match poll_fn(|task| self.poll_text_event(task)).await {
                ServerEvent::Message(part) => return Ok(part),
                ServerEvent::Ping => {}
                ServerEvent::Close(close) => return Err(close),
            }
        }
    }

    /// Closes the connection with 1000. A task of the runtime reads the rest for up to `timeout`, so that the
    /// engine can write its close frame.
    pub(crate) fn close(mut self, timeout: Duration) {
        self.output = [&self.output, close_frame().as_slice()].concat().into();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let end = async { while self.next_part().await.is_ok() {} };
            let _ = tokio::time::timeout(timeout, end).await;
        });
    }

    /// Writes what the engine takes now. A failed write is noticed by the next read.
    fn write_output(&mut self, task: &mut TaskContext<'_>) {
        while !self.output.is_empty() {
            match Pin::new(&mut self.io).poll_write(task, &self.output) {
                Poll::Ready(Ok(len)) if len > 0 => self.output.advance(len),
                Poll::Ready(_) => self.output = Bytes::new(),
                Poll::Pending => return,
            }
        }
    }

    /// Reads more. Returns false at the end of the stream.
    fn poll_read(&mut self, task: &mut TaskContext<'_>) -> Poll<bool> {
        let mut bytes = [0; MAX_READ];
        let mut read = ReadBuf::new(&mut bytes);
        let result = ready!(Pin::new(&mut self.io).poll_read(task, &mut read));
        self.unread = Bytes::copy_from_slice(read.filled());
        Poll::Ready(result.is_ok() && !self.unread.is_empty())
    }
}

/// Returns a text message as a client's frame.
pub(crate) fn text_frame(text: &[u8]) -> Vec<u8> {
    frame(0x01, text)
}

/// Returns a client's close frame with the code 1000.
pub(crate) fn close_frame() -> Vec<u8> {
    frame(0x08, &1000_u16.to_be_bytes())
}

/// Returns a binary message as a client's frame.
#[cfg(all(test, feature = "session"))]
pub(super) fn binary_frame(bytes: &[u8]) -> Vec<u8> {
    frame(0x02, bytes)
}

/// Returns a client's close frame. The payload is a code and a text, or empty.
#[cfg(feature = "session")]
pub(crate) fn close_frame_with(payload: &[u8]) -> Vec<u8> {
    frame(0x08, payload)
}

/// Returns a frame of a client. The key of the mask is 0, because no proxy reads the frame.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAX_HEADER + 4 + payload.len());
    append_frame(opcode, payload, &mut out);
    out
}

/// Like [`frame`], but appends to `out`.
pub(super) fn append_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(FIN | opcode);
    if let Ok(len @ 0..=125) = u8::try_from(payload.len()) {
        out.push(MASKED | len);
    } else if let Ok(len) = u16::try_from(payload.len()) {
        out.push(MASKED | 0x7e);
        out.extend(len.to_be_bytes());
    } else {
        out.push(MASKED | 0x7f);
        out.extend((payload.len() as u64).to_be_bytes());
    }
    out.extend([0; 4]);
    out.extend_from_slice(payload);
}
