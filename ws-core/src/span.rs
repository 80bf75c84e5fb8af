//! The `tracing` span of a connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tracing::{Span, field};

/// The span of a connection, which is empty if no subscriber takes the span. The span has the level `info`, so that
/// the log lines of a server that logs nothing below `info` have its fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionSpan(Option<Arc<TaggedSpan>>);

/// A span, and whether its field `tag` was recorded.
#[derive(Debug)]
struct TaggedSpan {
    span: Span,
    has_tag: AtomicBool,
}

impl ConnectionSpan {
    /// The span of a connection that no subscriber takes.
    pub(crate) const NONE: &Self = &Self(None);

    /// Creates the span as a child of the current span. The path is the pattern at which the handler is mounted. `id`
    /// is not called if no subscriber takes the span.
    pub(crate) fn new(
        handler: &'static str,
        path: &str,
        peer: Option<SocketAddr>,
        id: impl FnOnce() -> u64,
        subprotocol: Option<&str>,
    ) -> Self {
        let span = tracing::info_span!(
            target: "ws_core",
            "websocket",
            handler,
            path,
            peer = peer.map(field::display),
            id = id(),
            subprotocol,
            tag = field::Empty,
        );
        if span.is_disabled() {
            return Self(None);
        }
        Self(Some(Arc::new(TaggedSpan { span, has_tag: AtomicBool::new(false) })))
    }

    /// Returns the span; `None` if no subscriber takes it.
    pub(crate) fn get(&self) -> Option<&Span> {
        self.0.as_ref().map(|tagged| &tagged.span)
    }

    /// Records the first tag of the connection. Later ones are not recorded: the usual subscribers append what is
    /// recorded again, so that a client which causes tags would lengthen all log lines of its connection.
    pub(crate) fn record_first_tag(&self, tag: &str) {
        if let Some(tagged) = &self.0
            && !tagged.has_tag.swap(true, Ordering::Relaxed)
        {
            tagged.span.record("tag", tag);
        }
    }

    /// Enters the span until the guard is dropped. The guard borrows nothing.
    // PERF: one branch in every poll without a subscriber, and one when the guard is dropped. budget: text64
    #[inline(always)]
    pub(crate) fn enter(&self) -> EnteredSpan {
        EnteredSpan(self.0.as_ref().map(TaggedSpan::enter))
    }
}

/// A guard that exits a span.
pub(crate) struct EnteredSpan(Option<Arc<TaggedSpan>>);

impl Drop for EnteredSpan {
    // PERF: one branch in every poll without a subscriber. budget: text64
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(tagged) = self.0.take() {
            tagged.exit();
        }
    }
}

impl TaggedSpan {
    #[cold]
    fn enter(this: &Arc<Self>) -> Arc<Self> {
        this.span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
        Arc::clone(this)
    }

    #[cold]
    fn exit(self: Arc<Self>) {
        self.span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
    }
}

/// Returns an id that no other connection of this process has, from 1.
pub(crate) fn next_id() -> u64 {
    static LAST_ID: AtomicU64 = AtomicU64::new(0);
    LAST_ID.fetch_add(1, Ordering::Relaxed) + 1
}

/// A change of a connection's span before the span is entered: that of
/// [`Upgrade::span`](crate::handler::Upgrade::span).
pub(crate) struct SpanChange(pub(crate) Box<dyn FnOnce(&Span) + Send>);

impl fmt::Debug for SpanChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanChange").finish_non_exhaustive()
    }
}
