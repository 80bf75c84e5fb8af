//! A byte stream that translates between the frames of draft 76 and those of RFC 6455.
//!
//! The wire engine knows only RFC 6455. The decoder turns the client's frames into masked text frames, and
//! the encoder turns the engine's frames into those of the draft. One engine therefore enforces every limit,
//! and connections of RFC 6455 run no code for the draft.

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

/// Maximum number of bytes per read. The decoder translates them at once, so that no input is stored.
const MAX_READ: usize = 8 << 10;

/// Maximum number of translated bytes that wait to be written, without the delimiters of a frame. Further
/// bytes stay in the engine's outbox, whose limits apply to them.
const MAX_PENDING: usize = 16 << 10;

/// A byte stream over a client's stream of draft 76. Reads return masked frames, writes take unmasked ones.
#[derive(Debug)]
pub(crate) struct HixieTransport<T> {
    io: T,
    /// The bytes that were read after the handshake.
    prefix: Bytes,
    decoder: HixieDecoder,
    encoder: HixieEncoder,
    /// The translated output, of which `written` bytes are sent. Holds memory only while the client does not
    /// read.
    pending: Vec<u8>,
    written: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> HixieTransport<T> {
    /// Completes the handshake: reads the eight bytes after the request's head, and answers the challenge.
    /// Call this after sending the response's head, because a proxy may delay the eight bytes until then.
    ///
    /// `input` holds the bytes that were already read. `limit` is the maximum length of a skipped frame.
    ///
    /// # Errors
    ///
    /// Returns an error if the client disconnects first. The caller must set a timeout.
    pub(crate) async fn handshake(
        mut io: T,
        input: Vec<u8>,
        challenge: Challenge,
        limit: usize,
    ) -> io::Result<Self> {
        let mut prefix = Bytes::from(input);
        let start = prefix.split_to(KEY3_LEN.min(prefix.len()));
        let mut key3 = [0; KEY3_LEN];
        key3[..start.len()].copy_from_slice(&start);
        let mut read = ReadBuf::new(&mut key3);
        read.set_filled(start.len());
        while read.remaining() > 0 {
            let before = read.filled().len();
            poll_fn(|task| Pin::new(&mut io).poll_read(task, &mut read)).await?;
            if read.filled().len() == before {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let digest: [u8; CHALLENGE_RESPONSE_LEN] = challenge.response(key3);
        let (decoder, encoder) = (HixieDecoder::new(limit), HixieEncoder::default());
        let mut transport = Self { io, prefix, decoder, encoder, pending: digest.to_vec(), written: 0 };
        poll_fn(|task| Pin::new(&mut transport).poll_flush(task)).await?;
        Ok(transport)
    }

    /// Reads from the client, first the bytes that were read with the handshake.
    fn poll_read_inner(&mut self, task: &mut TaskContext<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.io).poll_read(task, buf);
        }
        buf.put_slice(&self.prefix.split_to(buf.remaining().min(self.prefix.len())));
        if self.prefix.is_empty() {
            // An empty slice would keep the memory alive.
            self.prefix = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the translated output.
    fn poll_write_pending(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        while let Some(unsent @ [_, ..]) = self.pending.get(self.written..) {
            match ready!(Pin::new(&mut self.io).poll_write(task, unsent))? {
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

/// All input produces frames, even if only an empty fragment, so that the engine notices the activity. The
/// buffer must have space for the smallest frame; the driver's buffer has.
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
            // The engine discards these bytes. The client's close frame counts as the end of the stream.
            let before = buf.filled().len();
            ready!(this.poll_read_inner(task, buf))?;
            if buf.filled().ends_with(&[0xff, 0]) {
                buf.set_filled(before);
            }
            return Poll::Ready(Ok(()));
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
            // The frames before the error are read first.
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
        // Bytes that the socket does not take are sent by the next write or the flush.
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
        // The engine reads no frames after the shutdown.
        this.decoder.close();
        Pin::new(&mut this.io).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests;
