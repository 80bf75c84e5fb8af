//! The flow-control windows of an HTTP/2 connection: how many unread bytes a client may send.

use bytes::Bytes;
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::transport::http2::StreamToken;

/// The maximum number of concurrent streams of a connection, for requests and WebSocket connections.
pub(super) const MAX_STREAMS: u32 = 256;

/// The window of a stream while the connection has few streams.
const WIDE_WINDOW: u32 = 64 << 10;

/// The maximum number of streams that have wide windows.
const MAX_WIDE_STREAMS: u32 = 8;

/// The window of a stream while the connection has many streams. A peer with many streams is a proxy for
/// many clients. A proxy is near, so a narrow window does not slow it down.
const NARROW_WINDOW: u32 = 4 << 10;

/// The window of the whole connection, which is the sum of the windows of its streams.
///
/// A stream that is not read keeps its share of this window. If the window were smaller than the sum,
/// such streams could block the others. The first streams may have filled wide windows; the later ones
/// have narrow windows. A client that ignores the narrow windows exhausts this one and blocks itself.
const CONNECTION_WINDOW: u32 =
    MAX_WIDE_STREAMS * WIDE_WINDOW + (MAX_STREAMS - MAX_WIDE_STREAMS) * NARROW_WINDOW;

/// The budget of h2 for unread DATA frames, which counts up to 256 bytes for each frame beside its
/// payload. The default follows from the connection window, and is too small for one wide stream of very
/// small messages.
const DATA_FRAME_BUDGET: usize = 8 << 20;

/// The windows of a connection.
pub(super) struct StreamWindows {
    streams: StreamToken,
    are_narrow: bool,
}

impl StreamWindows {
    /// Sets the initial windows of a connection.
    pub(super) fn new(builder: &mut Builder) -> Self {
        builder
            .max_concurrent_streams(MAX_STREAMS)
            .initial_window_size(WIDE_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(DATA_FRAME_BUDGET);
        Self { streams: StreamToken::default(), are_narrow: false }
    }

    /// Returns the token of a new stream, which the stream holds while it can have unread bytes.
    pub(super) fn stream_token(&self) -> StreamToken {
        self.streams.clone()
    }

    /// Returns whether a stream holds a token.
    pub(super) fn has_open_streams(&self) -> bool {
        self.streams.other_streams() > 0
    }

    /// Changes the initial window if the number of streams has crossed the limit. The SETTINGS are sent
    /// before the response to a stream that was just opened, so a WebSocket starts with the right window.
    pub(super) fn adjust<T>(&mut self, connection: &mut Connection<T, Bytes>)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        // The windows widen at half the limit, so that single streams do not change them each time.
        let few = if self.are_narrow { MAX_WIDE_STREAMS / 2 } else { MAX_WIDE_STREAMS };
        let are_narrow = self.streams.other_streams() > few as usize;
        if are_narrow != self.are_narrow {
            let window = if are_narrow { NARROW_WINDOW } else { WIDE_WINDOW };
            // The call fails until the client has acknowledged the previous SETTINGS. The next call tries
            // again.
            if connection.set_initial_window_size(window).is_ok() {
                self.are_narrow = are_narrow;
            }
        }
    }
}
