//! permessage-deflate (RFC 7692): messages whose payload is compressed as a whole.
//!
//! An [`Inflater`] and a [`Deflater`] are the two directions of a connection. With context takeover, a
//! direction holds its codec from the first compressed message on. Otherwise the direction holds a codec
//! only while a message is in progress; then the codec returns to the thread's `codec_pool`.

mod buffers;
#[cfg(feature = "deflate")]
mod codec_pool;
#[cfg(feature = "deflate")]
mod compress;
#[cfg(not(feature = "deflate"))]
mod disabled;
#[cfg(feature = "deflate")]
mod inflate;
#[cfg(feature = "deflate")]
mod prepared;

pub(super) use buffers::{ThreadBuffer, recycle};
#[cfg(not(feature = "deflate"))]
pub(super) use disabled::{Deflater, Inflater, SharedDeflate};
#[cfg(feature = "deflate")]
pub(super) use {compress::Deflater, inflate::Inflater, prepared::SharedDeflate};

use bytes::Bytes;

/// The negotiated parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeflateParams {
    /// The compression level, 0 to 9.
    pub(crate) level: u8,
    /// The memory level of the encoder, 1 to 9.
    pub(crate) mem_level: u8,
    /// The window of the encoder in bits, 9 to 15.
    pub(crate) window_bits: u8,
    /// Whether the encoder refers to earlier messages.
    pub(crate) server_takeover: bool,
    /// Whether the client refers to earlier messages.
    pub(crate) client_takeover: bool,
    /// The smallest message that is compressed, in bytes.
    pub(crate) min_size: usize,
    /// Whether each frame is compressed by itself instead of each message: `x-webkit-deflate-frame`, the
    /// extension before RFC 7692.
    pub(crate) per_frame: bool,
}

/// The encoding in which a connection sends a prepared message.
#[cfg_attr(not(feature = "deflate"), allow(dead_code))]
pub(crate) enum PreparedEncoding<'a> {
    /// As this compressed frame.
    Compressed(&'a Bytes),
    /// Uncompressed, because that is smaller.
    Uncompressed,
    /// Compressed by the connection itself: its encoder refers to earlier messages, or uses other parameters
    /// than the shared frame.
    PerConnection,
}

/// The end of each compressed message, which is not sent (RFC 7692 §7.2.1).
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

#[cfg(all(test, feature = "deflate"))]
mod tests;
