//! A stream of an HTTP/2 connection as a byte stream (RFC 8441 §5): the orderly end of TCP is
//! `END_STREAM`, its reset is `RST_STREAM` with `CANCEL`.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Task, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// How many frames of a client that goes on sending are dropped before other tasks get their turn.
const DROPPED_AT_A_TIME: usize = 32;

/// The byte stream. What is not read holds the client back, as its window is not opened again.
/// Dropped before its orderly end, it resets the stream.
pub(crate) struct Http2 {
    send: SendStream<Bytes>,
    recv: RecvStream,
    /// What did not fit into the reader's buffer.
    rest: Bytes,
    stage: Stage,
    _place: Place,
}

/// Of a stream among those of its connection, which are counted.
#[derive(Clone, Default)]
pub(crate) struct Place(Arc<()>);

impl Place {
    /// How many there are beside this.
    pub(crate) fn others(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

#[derive(PartialEq, Eq)]
enum Stage {
    Open,
    /// Our `END_STREAM` is on its way, the client's is not here.
    Ended,
    /// Both have ended, or the stream was reset.
    Over,
}

impl Http2 {
    pub(crate) fn new(send: SendStream<Bytes>, recv: RecvStream, place: Place) -> Self {
        Self { send, recv, rest: Bytes::new(), stage: Stage::Open, _place: place }
    }

    /// The bytes have been taken, so that the client may send as many again.
    fn release(&mut self, len: usize) {
        // It fails if more is released than has come, which this never does.
        let _ = self.recv.flow_control().release_capacity(len);
    }

    fn fail(&mut self, error: h2::Error) -> io::Error {
        self.stage = Stage::Over;
        if error.is_reset() {
            return io::Error::new(io::ErrorKind::ConnectionReset, error);
        }
        match error.into_io() {
            Some(error) => error,
            None => io::ErrorKind::ConnectionAborted.into(),
        }
    }
}

impl AsyncRead for Http2 {
    /// Takes what is there, in one go: a client may send each message as a frame of HTTP/2.
    fn poll_read(self: Pin<&mut Self>, task: &mut Task<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        while into.remaining() > 0 {
            if this.rest.is_empty() {
                match this.recv.poll_data(task) {
                    Poll::Ready(Some(Ok(data))) => this.rest = data,
                    // An end that comes behind data is found again by the next read.
                    _ if into.filled().len() > before => break,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(this.fail(error))),
                    Poll::Ready(None) => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            let len = this.rest.len().min(into.remaining());
            into.put_slice(&this.rest[..len]);
            this.rest.advance(len);
            this.release(len);
        }
        if this.rest.is_empty() {
            // An empty slice would keep the frame.
            this.rest = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2 {
    /// Takes as much as the windows of stream and connection allow.
    fn poll_write(self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let capacity = match ready!(poll_capacity(&mut this.send, task, bytes.len())) {
            Ok(capacity) => capacity,
            Err(error) => return Poll::Ready(Err(this.fail(error))),
        };
        match this.send.send_data(Bytes::copy_from_slice(&bytes[..capacity]), false) {
            Ok(()) => Poll::Ready(Ok(capacity)),
            Err(error) => Poll::Ready(Err(this.fail(error))),
        }
    }

    /// The task of the connection writes by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the stream, and waits until the client has ended it too: a stream that is dropped
    /// before that is reset. What comes meanwhile is dropped.
    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.stage == Stage::Open {
            this.stage = Stage::Ended;
            if let Err(error) = this.send.send_data(Bytes::new(), true) {
                return Poll::Ready(Err(this.fail(error)));
            }
            let rest = std::mem::take(&mut this.rest);
            this.release(rest.len());
        }
        for _ in 0..DROPPED_AT_A_TIME {
            if this.stage == Stage::Over {
                return Poll::Ready(Ok(()));
            }
            match ready!(this.recv.poll_data(task)) {
                Some(Ok(data)) => this.release(data.len()),
                Some(Err(_)) | None => this.stage = Stage::Over,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        // The window of the connection is for the other streams too.
        self.release(self.rest.len());
        if self.stage != Stage::Over {
            // What waits for a client that does not read goes with it.
            self.send.send_reset(Reason::CANCEL);
        }
    }
}

/// How many of `len` bytes can be sent now. Asked for only while there is something to send, as
/// what one stream reserves the others lack.
pub(crate) fn poll_capacity(
    send: &mut SendStream<Bytes>,
    task: &mut Task<'_>,
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
pub(crate) struct Handover(Arc<Mutex<Option<oneshot::Receiver<Http2>>>>);

impl Handover {
    /// The server's end is closed if nobody takes the other.
    pub(crate) fn new() -> (oneshot::Sender<Http2>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Arc::new(Mutex::new(Some(receiver)))))
    }

    pub(super) fn take(self) -> Option<oneshot::Receiver<Http2>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
