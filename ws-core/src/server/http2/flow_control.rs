//! The flow-control windows of an HTTP/2 connection: how many unread bytes a client may send.

use bytes::Bytes;
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::transport::http2::StreamToken;

/// The maximum number of concurrent streams of a connection, for requests and WebSocket connections.
pub(super) const MAX_STREAMS: u32 = 256;

/// The windows of streams, by the number of streams up to which they apply. The last step covers [`MAX_STREAMS`].
///
/// A peer with many streams is a proxy for many clients. A proxy is near, so a narrow window does not slow it down.
const STEPS: [WindowStep; 3] = [
    WindowStep { max_streams: 8, window: 64 << 10 },
    WindowStep { max_streams: 32, window: 32 << 10 },
    WindowStep { max_streams: MAX_STREAMS, window: 4 << 10 },
];

/// The window of each stream while the connection has so many.
struct WindowStep {
    max_streams: u32,
    window: u32,
}

/// The window of the whole connection, which is the sum of the windows of its streams.
///
/// A stream that is not read keeps its share of this window. If the window were smaller than the sum,
/// such streams could block the others. The first streams may have filled wide windows; the later ones
/// have narrow windows. A client that ignores the narrow windows exhausts this one and blocks itself.
const CONNECTION_WINDOW: u32 = {
    let (mut sum, mut covered, mut step) = (0, 0, 0);
    while step < STEPS.len() {
        sum += (STEPS[step].max_streams - covered) * STEPS[step].window;
        covered = STEPS[step].max_streams;
        step += 1;
    }
    sum
};

/// The budget of h2 for unread DATA frames, which counts up to 256 bytes for each frame beside its
/// payload. The default follows from the connection window, and is too small for one wide stream of very
/// small messages.
const DATA_FRAME_BUDGET: usize = 8 << 20;

/// The windows of a connection.
pub(super) struct StreamWindows {
    streams: StreamToken,
    /// The index of the step that applies.
    step: usize,
}

impl StreamWindows {
    /// Sets the initial windows of a connection.
    pub(super) fn new(builder: &mut Builder) -> Self {
        builder
            .max_concurrent_streams(MAX_STREAMS)
            .initial_window_size(STEPS[0].window)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(DATA_FRAME_BUDGET);
        Self { streams: StreamToken::default(), step: 0 }
    }

    /// Returns the token of a new stream, which the stream holds while it can have unread bytes.
    pub(super) fn stream_token(&self) -> StreamToken {
        self.streams.clone()
    }

    /// Returns whether a stream holds a token.
    pub(super) fn has_open_streams(&self) -> bool {
        self.streams.other_streams() > 0
    }

    /// Returns whether more than one stream holds a token.
    pub(super) fn has_several_streams(&self) -> bool {
        self.streams.other_streams() > 1
    }

    /// Changes the initial window if the number of streams has crossed a limit. The SETTINGS are sent
    /// before the response to a stream that was just opened, so a WebSocket starts with the right window.
    pub(super) fn adjust<T>(&mut self, connection: &mut Connection<T, Bytes>)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let step = next_step(self.step, self.streams.other_streams());
        // The call fails until the client has acknowledged the previous SETTINGS. The next call tries again.
        if step != self.step && connection.set_initial_window_size(STEPS[step].window).is_ok() {
            self.step = step;
        }
    }
}

/// Returns the step for a number of streams. The windows widen at half a limit, so that single streams do not change them
/// each time.
fn next_step(current: usize, streams: usize) -> usize {
    let fits = |(index, step): (usize, &WindowStep)| {
        let limit = if index < current { step.max_streams / 2 } else { step.max_streams };
        streams <= limit as usize
    };
    STEPS.iter().enumerate().position(fits).unwrap_or(STEPS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_narrow_at_the_limits_and_widen_at_half() {
        let mut step = 0;
        let mut steps = |streams: &[usize]| {
            let next = |streams: &usize| {
                step = next_step(step, *streams);
                step
            };
            streams.iter().map(next).collect::<Vec<_>>()
        };
        assert_eq!(steps(&[0, 1, 8, 9, 8, 5, 4]), [0, 0, 0, 1, 1, 1, 0]);
        assert_eq!(steps(&[9, 32, 33, 32, 17, 16, 5, 4]), [1, 1, 2, 2, 2, 1, 1, 0]);
        assert_eq!(steps(&[256, 257, 4]), [2, 2, 0]);
    }

    #[test]
    fn connection_window_is_the_sum_of_the_streams_windows() {
        assert_eq!(CONNECTION_WINDOW, (8 * 64 + 24 * 32 + 224 * 4) << 10);
    }
}
