//! The actions of a page: closes.

use super::search::cut;
use super::shared::InspectorShared;
use crate::close::Close;

/// The longest reason in bytes: what a close frame has room for.
const MAX_REASON: usize = 123;

/// Closes a connection. Returns the number of connections that close.
pub(super) fn close(shared: &InspectorShared, id: u64, code: u16, reason: &str, by: &str) -> usize {
    let is_open = shared.find(id).is_some_and(|(id, _)| {
        shared.connections.close(id, Close::new(code, cut(reason, MAX_REASON).to_owned()))
    });
    tracing::info!(connection = id, code, reason, is_open, by, "the inspector closes a connection");
    usize::from(is_open)
}

/// Closes all connections with a tag. Returns their number.
pub(super) fn kick(shared: &InspectorShared, tag: &str, code: u16, reason: &str, by: &str) -> usize {
    let close = Close::new(code, cut(reason, MAX_REASON).to_owned());
    let count = shared.connections.tagged(tag).close(close);
    tracing::info!(tag, code, reason, count, by, "the inspector closes all connections with a tag");
    count
}
