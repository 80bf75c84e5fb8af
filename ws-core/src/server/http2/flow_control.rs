//! How much a client may send on the streams of an HTTP/2 connection before it is read.

use bytes::Bytes;
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::transport::http2::StreamToken;

/// The sockets and requests of one connection at a time.
pub(super) const MAX_STREAMS: u32 = 256;

/// A stream's window on a connection that has few of them.
const WIDE_WINDOW: u32 = 64 << 10;

/// How many are few.
const MAX_WIDE_STREAMS: u32 = 8;

/// The same on a connection that has many: whoever puts so many clients on one connection is a proxy,
/// and near, so that a small window is no slow one.
const NARROW_WINDOW: u32 = 4 << 10;

/// What all streams of a connection may hold unread. As a stream that nobody reads keeps what it has
/// of this, it is enough for all of them at once, or those that are read would wait for those that are
/// not. The streams that were there when there were few may be full; the others have come since.
/// A client that does not heed the narrow windows gets no more than this, and holds up itself.
const CONNECTION_WINDOW: u32 =
    MAX_WIDE_STREAMS * WIDE_WINDOW + (MAX_STREAMS - MAX_WIDE_STREAMS) * NARROW_WINDOW;

/// What small frames may cost that are not read, as h2 counts: each up to 256 bytes beside what is in
/// it. The default goes with the window of the connection, and would be too little for one wide
/// stream of very small messages.
const DATA_FRAME_BUDGET: usize = 8 << 20;

/// The windows of a connection.
pub(super) struct StreamWindows {
    streams: StreamToken,
    are_narrow: bool,
}

impl StreamWindows {
    /// As a connection begins.
    pub(super) fn new(builder: &mut Builder) -> Self {
        builder
            .max_concurrent_streams(MAX_STREAMS)
            .initial_window_size(WIDE_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(DATA_FRAME_BUDGET);
        Self { streams: StreamToken::default(), are_narrow: false }
    }

    /// For one more stream, to be held as long as it may have something unread.
    pub(super) fn stream_token(&self) -> StreamToken {
        self.streams.clone()
    }

    /// Whether a stream has a place.
    pub(super) fn has_open_streams(&self) -> bool {
        self.streams.other_streams() > 0
    }

    /// Tells the client if the streams have become many, or few again. What is said here is sent before
    /// the answer to a stream that has just come, so that a WebSocket begins with the right window.
    pub(super) fn adjust<T>(&mut self, connection: &mut Connection<T, Bytes>)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        // Half as many, so that one that comes and goes does not change it each time.
        let few = if self.are_narrow { MAX_WIDE_STREAMS / 2 } else { MAX_WIDE_STREAMS };
        let are_narrow = self.streams.other_streams() > few as usize;
        if are_narrow != self.are_narrow {
            let window = if are_narrow { NARROW_WINDOW } else { WIDE_WINDOW };
            // It fails while the client has not acknowledged the settings before; then the next call
            // tells it.
            if connection.set_initial_window_size(window).is_ok() {
                self.are_narrow = are_narrow;
            }
        }
    }
}
