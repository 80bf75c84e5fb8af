//! permessage-deflate (RFC 7692): messages whose payload is deflated as a whole.
//!
//! An [`Inflater`] and a [`Deflater`] are the two directions of a connection. They hold a codec
//! only while it is needed: from the first compressed message on if what came before is referred
//! to, and else while a message is in progress; then it goes to the [`codec_pool`] of the thread.

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

/// What the two sides agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeflateParams {
    /// How hard the encoder tries, 0 to 9.
    pub(crate) level: u8,
    /// The memory of the encoder, 1 to 9.
    pub(crate) mem_level: u8,
    /// The window of the encoder, 9 to 15.
    pub(crate) window_bits: u8,
    /// Whether the encoder refers to earlier messages.
    pub(crate) server_takeover: bool,
    /// Whether the client does.
    pub(crate) client_takeover: bool,
    /// The smallest message that is compressed.
    pub(crate) min_size: usize,
    /// Whether it is the frames that are compressed, each by itself, and not the messages: the
    /// extension before RFC 7692.
    pub(crate) per_frame: bool,
}

/// What a connection sends of a message for many.
#[cfg_attr(not(feature = "deflate"), allow(dead_code))]
pub(crate) enum PreparedEncoding<'a> {
    /// This frame.
    Compressed(&'a Bytes),
    /// The message as it is, which is smaller.
    Uncompressed,
    /// What it compresses by itself: it refers to what this client alone was sent, or has agreed upon
    /// other parameters.
    PerConnection,
}

/// What ends each message and is not sent (§7.2.1).
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

#[cfg(all(test, feature = "deflate"))]
mod tests;
