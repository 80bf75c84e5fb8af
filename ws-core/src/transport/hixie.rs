//! The frames of draft 76 as those that the wire engine speaks.
//!
//! The engine does not know of it: what the client sends becomes masked frames of text before it is
//! read, and the frames that the engine writes become the client's. So every promise is kept by the
//! same code, and the connections of RFC 6455 pay nothing for it.

mod decoder;
mod encoder;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::upgrade::{CHALLENGE_RESPONSE_LEN, Challenge, KEY3_LEN};
use decoder::HixieDecoder;
use encoder::HixieEncoder;

/// The most bytes that are read at a time. They are translated at once, so that nothing of the
/// client's is kept.
const MAX_READ: usize = 8 << 10;

/// The most bytes that wait to be written here, but for the marks of a frame; what is more stays in
/// the engine's outbox, where it is counted.
const MAX_PENDING: usize = 16 << 10;

/// A byte stream over one on which a client speaks draft 76: masked frames come out, unmasked ones
/// go in.
#[derive(Debug)]
pub(crate) struct HixieTransport<T> {
    io: T,
    /// What came behind the handshake.
    prefix: Bytes,
    decoder: HixieDecoder,
    encoder: HixieEncoder,
    /// Translated, and not written beyond `sent`. It has memory only while the client does not read.
    pending: Vec<u8>,
    written: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> HixieTransport<T> {
    /// Ends the handshake: reads the eight bytes that belong to the keys, of which `input` may have
    /// some, and answers them. A proxy may hold them back until it has seen the head of our answer.
    ///
    /// `limit` is how many bytes a frame may have that is skipped.
    ///
    /// # Errors
    ///
    /// The client left before. It may also never send them; the caller sees to the time.
    pub(crate) async fn handshake(
        mut io: T,
        input: Vec<u8>,
        challenge: Challenge,
        limit: usize,
    ) -> io::Result<Self> {
        let mut prefix = Bytes::from(input);
        let start = prefix.split_to(KEY3_LEN.min(prefix.len()));
        let mut body = [0; KEY3_LEN];
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
        let answer: [u8; CHALLENGE_RESPONSE_LEN] = challenge.response(body);
        let (decoder, encoder) = (HixieDecoder::new(limit), HixieEncoder::default());
        let mut transport = Self { io, prefix, decoder, encoder, pending: answer.to_vec(), written: 0 };
        poll_fn(|task| Pin::new(&mut transport).poll_flush(task)).await?;
        Ok(transport)
    }

    /// Reads from the client, what came with the handshake first.
    fn poll_read_inner(&mut self, task: &mut TaskContext<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.io).poll_read(task, buf);
        }
        buf.put_slice(&self.prefix.split_to(buf.remaining().min(self.prefix.len())));
        if self.prefix.is_empty() {
            // An empty slice would keep the memory.
            self.prefix = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is translated.
    fn poll_write_pending(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.pending.get(self.written..) {
            match ready!(Pin::new(&mut self.io).poll_write(task, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.written += len,
            }
        }
        if self.written > 0 {
            (self.pending, self.written) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

/// Whatever the client sends makes frames, if only empty ones, so that it is heard. The buffer must
/// have room for the smallest of them, which the driver's has.
impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for HixieTransport<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(error) = this.decoder.take_protocol_error() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        if this.decoder.is_closed() {
            // The engine drops what comes now, and waits for the end.
            return this.poll_read_inner(task, buf);
        }
        let mut bytes = [0; MAX_READ];
        let max_input = HixieDecoder::max_input(buf.remaining()).min(MAX_READ);
        if max_input == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        let mut read = ReadBuf::new(&mut bytes[..max_input]);
        ready!(this.poll_read_inner(task, &mut read))?;
        let before = buf.filled().len();
        this.decoder.decode(read.filled(), |part| buf.put_slice(part));
        match this.decoder.take_protocol_error() {
            Some(error) if buf.filled().len() == before => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
            }
            // What came before it is read first.
            error => {
                this.decoder.restore_protocol_error(error);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for HixieTransport<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        frames: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_write_pending(task))?;
        let taken = this.encoder.encode(frames, &mut this.pending, MAX_PENDING);
        // As far as the socket takes it. The rest goes with the next write, or the flush.
        match this.poll_write_pending(task) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_pending(task))?;
        Pin::new(&mut this.io).poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_pending(task))?;
        // Nobody reads frames after this.
        this.decoder.close();
        Pin::new(&mut this.io).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests;
