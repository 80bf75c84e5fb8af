//! A stream of an HTTP/2 connection as a byte stream (RFC 8441 §5): the orderly end of TCP is
//! `END_STREAM`, its reset is `RST_STREAM` with `CANCEL`.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// How many frames of a client that goes on sending are dropped before other tasks get their turn.
const MAX_DISCARDED_FRAMES: usize = 32;

/// The byte stream. What is not read holds the client back, as its window is not opened again.
/// Dropped before its orderly end, it resets the stream.
pub(crate) struct Http2Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
    /// What did not fit into the reader's buffer.
    unread: Bytes,
    stage: Http2Stage,
    _token: StreamToken,
}

/// Of a stream among those of its connection, which are counted.
#[derive(Clone, Default)]
pub(crate) struct StreamToken(Arc<()>);

impl StreamToken {
    /// How many there are beside this.
    pub(crate) fn other_streams(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

#[derive(PartialEq, Eq)]
enum Http2Stage {
    Open,
    /// Our `END_STREAM` is on its way, the client's is not here.
    HalfClosed,
    /// Both have ended, or the stream was reset.
    Closed,
}

impl Http2Stream {
    pub(crate) fn new(send: SendStream<Bytes>, recv: RecvStream, token: StreamToken) -> Self {
        Self { send, recv, unread: Bytes::new(), stage: Http2Stage::Open, _token: token }
    }

    /// The bytes have been taken, so that the client may send as many again.
    fn release_capacity(&mut self, len: usize) {
        // It fails if more is released than has come, which this never does.
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
    /// Takes what is there, in one go: a client may send each message as a frame of HTTP/2.
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
                    // An end that comes behind data is found again by the next read.
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
            // An empty slice would keep the frame.
            this.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2Stream {
    /// Takes as much as the windows of stream and connection allow.
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

    /// The task of the connection writes by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the stream, and waits until the client has ended it too: a stream that is dropped
    /// before that is reset. What comes meanwhile is dropped.
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
                Some(Ok(data)) => this.release_capacity(data.len()),
                Some(Err(_)) | None => this.stage = Http2Stage::Closed,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        // The window of the connection is for the other streams too.
        self.release_capacity(self.unread.len());
        if self.stage != Http2Stage::Closed {
            // What waits for a client that does not read goes with it.
            self.send.send_reset(Reason::CANCEL);
        }
    }
}

/// How many of `len` bytes can be sent now. Asked for only while there is something to send, as
/// what one stream reserves the others lack.
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

/// The way of a stream from the server, which has it when the acceptance is written, to the
/// endpoint, which has accepted. It is an extension of the request, and those can be cloned.
#[derive(Clone)]
pub(crate) struct Http2UpgradeSlot(Arc<Mutex<Option<oneshot::Receiver<Http2Stream>>>>);

impl Http2UpgradeSlot {
    /// The server's end is closed if nobody takes the other.
    pub(crate) fn new() -> (oneshot::Sender<Http2Stream>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Arc::new(Mutex::new(Some(receiver)))))
    }

    pub(super) fn take(self) -> Option<oneshot::Receiver<Http2Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
