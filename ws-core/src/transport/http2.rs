//! A stream of an HTTP/2 connection as a byte stream (RFC 8441 §5). `END_STREAM` replaces the orderly
//! end of TCP, and `RST_STREAM` with `CANCEL` replaces TCP's reset.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::sync::lock;

/// Number of frames that are discarded before the task yields, if the client keeps sending.
const MAX_DISCARDED_FRAMES: usize = 32;

/// Number of bytes that are discarded after the server has ended the stream. One byte more resets the stream.
const MAX_DISCARDED: usize = 1 << 20;

/// A byte stream over one HTTP/2 stream. Unread data keeps the flow-control window closed, so that the
/// client must wait. Dropping the value before the orderly end resets the stream.
pub(crate) struct Http2Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
    /// The received data that did not fit into the reader's buffer.
    unread: Bytes,
    stage: Http2Stage,
    /// Number of bytes that were discarded after the stream had ended.
    discarded: usize,
    _token: StreamToken,
}

/// A token that counts the streams of one connection: every stream holds a clone.
#[derive(Clone, Default)]
pub(crate) struct StreamToken(Arc<()>);

impl StreamToken {
    /// Returns the number of other tokens.
    pub(crate) fn other_streams(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

#[derive(PartialEq, Eq)]
enum Http2Stage {
    Open,
    /// The server has sent `END_STREAM`, the client has not.
    HalfClosed,
    /// Both sides have sent `END_STREAM`, or the stream was reset.
    Closed,
}

impl Http2Stream {
    pub(crate) fn new(send: SendStream<Bytes>, recv: RecvStream, token: StreamToken) -> Self {
        Self { send, recv, unread: Bytes::new(), stage: Http2Stage::Open, discarded: 0, _token: token }
    }

    /// Opens the window by `len` bytes, after that many were read.
    fn release_capacity(&mut self, len: usize) {
        // This fails only if more bytes are released than were received.
        let _ = self.recv.flow_control().release_capacity(len);
    }

    fn on_error(&mut self, error: h2::Error) -> io::Error {
        self.stage = Http2Stage::Closed;
        if error.is_reset() {
            return io::Error::new(io::ErrorKind::ConnectionReset, error);
        }
        match error.into_io() {
            Some(error) => error,
            None => io::ErrorKind::ConnectionAborted.into(),
        }
    }
}

impl AsyncRead for Http2Stream {
    /// Reads all data that has arrived, because a client may send each message in its own DATA frame.
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            if this.unread.is_empty() {
                match this.recv.poll_data(task) {
                    Poll::Ready(Some(Ok(data))) => this.unread = data,
                    // After data, the next read finds the end or the error again.
                    _ if buf.filled().len() > before => break,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(this.on_error(error))),
                    Poll::Ready(None) => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            let len = this.unread.len().min(buf.remaining());
            buf.put_slice(&this.unread[..len]);
            this.unread.advance(len);
            this.release_capacity(len);
        }
        if this.unread.is_empty() {
            // An empty slice would keep the memory of the frame alive.
            this.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2Stream {
    /// Sends as many bytes as the windows of the stream and the connection allow.
    fn poll_write(self: Pin<&mut Self>, task: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let capacity = match ready!(poll_capacity(&mut this.send, task, bytes.len())) {
            Ok(capacity) => capacity,
            Err(error) => return Poll::Ready(Err(this.on_error(error))),
        };
        match this.send.send_data(Bytes::copy_from_slice(&bytes[..capacity]), false) {
            Ok(()) => Poll::Ready(Ok(capacity)),
            Err(error) => Poll::Ready(Err(this.on_error(error))),
        }
    }

    /// Does nothing, because the connection's task writes on its own.
    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the stream, and waits until the client ends it too, because dropping the stream earlier would
    /// reset it. Data that arrives until then is discarded, up to [`MAX_DISCARDED`] bytes.
    fn poll_shutdown(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.stage == Http2Stage::Open {
            this.stage = Http2Stage::HalfClosed;
            if let Err(error) = this.send.send_data(Bytes::new(), true) {
                return Poll::Ready(Err(this.on_error(error)));
            }
            let unread = std::mem::take(&mut this.unread);
            this.release_capacity(unread.len());
        }
        for _ in 0..MAX_DISCARDED_FRAMES {
            if this.stage == Http2Stage::Closed {
                return Poll::Ready(Ok(()));
            }
            match ready!(this.recv.poll_data(task)) {
                Some(Ok(data)) => {
                    this.release_capacity(data.len());
                    this.discarded = this.discarded.saturating_add(data.len());
                    if this.discarded > MAX_DISCARDED {
                        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                    }
                }
                Some(Err(_)) | None => this.stage = Http2Stage::Closed,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        // The connection's window is shared with the other streams.
        self.release_capacity(self.unread.len());
        if self.stage != Http2Stage::Closed {
            // The reset also discards data that the client has not read.
            self.send.send_reset(Reason::CANCEL);
        }
    }
}

/// Returns how many of `len` bytes can be sent now. Call this only with data to send, because the capacity
/// that one stream reserves is missing for the others.
pub(crate) fn poll_capacity(
    send: &mut SendStream<Bytes>,
    task: &mut TaskContext<'_>,
    len: usize,
) -> Poll<Result<usize, h2::Error>> {
    send.reserve_capacity(len);
    loop {
        match send.capacity() {
            0 => match ready!(send.poll_capacity(task)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Err(Reason::STREAM_CLOSED.into())),
            },
            capacity => return Poll::Ready(Ok(capacity.min(len))),
        }
    }
}

/// A request extension through which the endpoint that accepts a handshake receives the stream. The server
/// sends the stream after it has written the response. Extensions must be `Clone`, hence the `Arc`.
#[derive(Clone)]
pub(crate) struct Http2UpgradeSlot(Arc<Mutex<Option<oneshot::Receiver<Http2Stream>>>>);

impl Http2UpgradeSlot {
    /// Returns the server's sender and the slot. The sender is closed if no endpoint takes the receiver.
    pub(crate) fn new() -> (oneshot::Sender<Http2Stream>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Arc::new(Mutex::new(Some(receiver)))))
    }

    pub(super) fn take(self) -> Option<oneshot::Receiver<Http2Stream>> {
        lock(&self.0).take()
    }
}
