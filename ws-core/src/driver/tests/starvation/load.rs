//! The sources of a connection under load, and a client whose input is always there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::prelude::*;
use crate::transport::{RuntimeTimer, Transport};

pub(super) const TEXTS: usize = 0;
pub(super) const PINGS: usize = 1;
pub(super) const INFOS: usize = 2;
pub(super) const TOPICS: usize = 3;
pub(super) const FRAMES: usize = 4;
pub(super) const TIMERS: usize = 5;
pub(super) const READ_AHEAD: usize = 6;
pub(super) const FUTURES: usize = 7;
pub(super) const SOURCES: [&str; 8] = [
    "texts",
    "pings",
    "infos",
    "topics",
    "forwarded frames",
    "timers",
    "texts that were read ahead",
    "futures",
];

/// Frames of each source in a round of the client's input.
pub(super) const ROUND: usize = 16;

/// The sources of a connection, and the number of calls for each.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) sources: [usize; 2],
    /// The number of calls after which no source is refilled.
    pub(super) limit: usize,
    pub(super) counts: Arc<[AtomicUsize; SOURCES.len()]>,
    pub(super) topic: Topic<u32>,
    pub(super) frames: Topic<u32>,
}

impl Load {
    pub(super) fn new(sources: [usize; 2], limit: usize) -> Self {
        let hub = Hub::local();
        let (topic, frames) = (hub.topic("topic"), hub.topic("frames"));
        Self { sources, limit, counts: Arc::default(), topic, frames }
    }

    pub(super) fn has(&self, source: usize) -> bool {
        self.sources.contains(&source)
    }

    pub(super) fn count(&self, source: usize) -> usize {
        self.counts[source].load(Ordering::Relaxed)
    }

    pub(super) fn calls(&self) -> usize {
        SOURCES.iter().enumerate().filter(|(source, _)| *source != FRAMES).map(|(n, _)| self.count(n)).sum()
    }

    /// Counts the frames of the topic among `bytes` for the client. A handler sends no text itself.
    pub(super) fn count_frames(&self, bytes: &[u8]) {
        let frames = bytes.iter().filter(|byte| **byte == 0x81).count();
        self.counts[FRAMES].fetch_add(frames, Ordering::Relaxed);
    }

    /// Counts a call. Returns whether the source is refilled.
    pub(super) fn count_call(&self, source: usize) -> bool {
        if self.calls() >= self.limit {
            return false;
        }
        self.counts[source].fetch_add(1, Ordering::Relaxed);
        if self.has(FRAMES) && self.calls().is_multiple_of(2) {
            self.frames.publish(1).unwrap();
        }
        true
    }

    /// Asserts that both sources had at least a tenth of the calls. A future runs between two polls of its
    /// connection, so a poll handles each at most once, and a fortieth is enough.
    pub(super) fn check(&self, how: &str) {
        let [first, second] = self.sources;
        let share = if self.has(FUTURES) { 40 } else { 10 };
        let (a, b) = (self.count(first), self.count(second));
        let what = format!("{how}: {a} {}, {b} {}", SOURCES[first], SOURCES[second]);
        assert!(self.calls() >= self.limit, "{what}: less than {} calls", self.limit);
        assert!(a.min(b) * share >= a + b, "{what}");
    }
}

/// What follows the input of a [`Scripted`] client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// The same input again, until the limit of the load.
    Repeats,
    Eof,
    Reset,
    Silence,
}

/// A client that reads everything.
pub(super) struct Scripted {
    /// What the client has sent, after this number of calls.
    pub(super) input: Vec<u8>,
    pub(super) after_calls: usize,
    pub(super) end: End,
    pub(super) load: Load,
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.load.calls() < self.after_calls {
            return Poll::Pending;
        }
        if self.end == End::Repeats {
            if self.input.is_empty() || self.load.calls() >= self.load.limit {
                return Poll::Pending;
            }
            while to.remaining() >= self.input.len() {
                to.put_slice(&self.input);
            }
            return Poll::Ready(Ok(()));
        }
        let len = self.input.len().min(to.remaining());
        to.put_slice(&self.input[..len]);
        self.input.drain(..len);
        match self.end {
            _ if len > 0 => Poll::Ready(Ok(())),
            End::Eof => Poll::Ready(Ok(())),
            End::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            End::Repeats | End::Silence => Poll::Pending,
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.load.count_frames(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for Scripted {
    type Timer = RuntimeTimer;
}
