//! The frames of draft 76 as those that the wire engine speaks.
//!
//! The engine does not know of it: what the client sends becomes masked frames of text before it is
//! read, and the frames that the engine writes become the client's. So every promise is kept by the
//! same code, and the connections of RFC 6455 pay nothing for it.

mod incoming;
mod outgoing;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::upgrade::{ANSWER, BODY, Challenge};
use incoming::Incoming;
use outgoing::Outgoing;

/// The most bytes that are read at a time. They are translated at once, so that nothing of the
/// client's is kept.
const READ: usize = 8 << 10;

/// The most bytes that wait to be written here, but for the marks of a frame; what is more stays in
/// the engine's outbox, where it is counted.
const WRITE: usize = 16 << 10;

/// A byte stream over one on which a client speaks draft 76: masked frames come out, unmasked ones
/// go in.
#[derive(Debug)]
pub(crate) struct Hixie<T> {
    io: T,
    /// What came behind the handshake.
    front: Bytes,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Translated, and not written beyond `sent`. It has memory only while the client does not read.
    out: Vec<u8>,
    sent: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Hixie<T> {
    /// Ends the handshake: reads the eight bytes that belong to the keys, of which `input` may have
    /// some, and answers them. A proxy may hold them back until it has seen the head of our answer.
    ///
    /// `limit` is how many bytes a frame may have that is skipped.
    ///
    /// # Errors
    ///
    /// The client left before. It may also never send them; the caller sees to the time.
    pub(crate) async fn begin(
        mut io: T,
        input: Vec<u8>,
        challenge: Challenge,
        limit: usize,
    ) -> io::Result<Self> {
        let mut front = Bytes::from(input);
        let start = front.split_to(BODY.min(front.len()));
        let mut body = [0; BODY];
        body[..start.len()].copy_from_slice(&start);
        let mut read = ReadBuf::new(&mut body);
        read.set_filled(start.len());
        while read.remaining() > 0 {
            let before = read.filled().len();
            poll_fn(|task| Pin::new(&mut io).poll_read(task, &mut read)).await?;
            if read.filled().len() == before {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let answer: [u8; ANSWER] = challenge.answer(body);
        let (incoming, outgoing) = (Incoming::new(limit), Outgoing::default());
        let mut hixie = Self { io, front, incoming, outgoing, out: answer.to_vec(), sent: 0 };
        poll_fn(|task| Pin::new(&mut hixie).poll_flush(task)).await?;
        Ok(hixie)
    }

    /// Reads from the client, what came with the handshake first.
    fn poll_client(&mut self, task: &mut Task<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.front.is_empty() {
            return Pin::new(&mut self.io).poll_read(task, into);
        }
        into.put_slice(&self.front.split_to(into.remaining().min(self.front.len())));
        if self.front.is_empty() {
            // An empty slice would keep the memory.
            self.front = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is translated.
    fn poll_out(&mut self, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.out.get(self.sent..) {
            match ready!(Pin::new(&mut self.io).poll_write(task, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.sent += len,
            }
        }
        if self.sent > 0 {
            (self.out, self.sent) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

/// Whatever the client sends makes frames, if only empty ones, so that it is heard. The buffer must
/// have room for the smallest of them, which the driver's has.
impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Hixie<T> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Task<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(fault) = this.incoming.take_fault() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
        }
        if this.incoming.is_over() {
            // The engine drops what comes now, and waits for the end.
            return this.poll_client(task, into);
        }
        let mut bytes = [0; READ];
        let most = Incoming::most(into.remaining()).min(READ);
        if most == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        let mut read = ReadBuf::new(&mut bytes[..most]);
        ready!(this.poll_client(task, &mut read))?;
        let before = into.filled().len();
        this.incoming.translate(read.filled(), |part| into.put_slice(part));
        match this.incoming.take_fault() {
            Some(fault) if into.filled().len() == before => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)))
            }
            // What came before it is read first.
            fault => {
                this.incoming.put_back(fault);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Hixie<T> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Task<'_>, frames: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_out(task))?;
        let taken = this.outgoing.translate(frames, &mut this.out, WRITE);
        // As far as the socket takes it. The rest goes with the next write, or the flush.
        match this.poll_out(task) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_out(task))?;
        Pin::new(&mut this.io).poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_out(task))?;
        // Nobody reads frames after this.
        this.incoming.end();
        Pin::new(&mut this.io).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests;
