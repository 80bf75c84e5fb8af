//! The connections of this process that a hub reaches.

use std::any::TypeId;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;

use super::broker::RequestHandler;
use super::node_request::{NodeAnswer, NodeRequest};
use super::receivers::{Receive, Receivers};
use crate::connections::ConnectionTracker;
use crate::sync::lock;

/// The connections of this process that a hub reaches.
#[derive(Default)]
pub(super) struct LocalConnections {
    routers: Mutex<LocalRouters>,
    receivers: Receivers,
}

#[derive(Default)]
struct LocalRouters {
    trackers: Vec<Weak<ConnectionTracker>>,
    /// Whether requests of other processes are served.
    is_serving: bool,
}

impl LocalConnections {
    /// Adds the connections of a router, once. Returns true for the first router.
    pub(super) fn add(&self, connections: &Arc<ConnectionTracker>) -> bool {
        let mut routers = lock(&self.routers);
        routers.trackers.retain(|tracker| tracker.strong_count() > 0);
        let added = Arc::downgrade(connections);
        if !routers.trackers.iter().any(|tracker| tracker.ptr_eq(&added)) {
            routers.trackers.push(added);
        }
        !std::mem::replace(&mut routers.is_serving, true)
    }

    /// Adds the receiver of a handler for the messages of a name.
    pub(super) fn accept(&self, name: &str, handler: TypeId, receive: Arc<Receive>) {
        self.receivers.add(name, handler, receive);
    }

    /// Executes a request. Returns the number of connections that it has reached.
    pub(super) fn execute(&self, request: &NodeRequest<'_>) -> usize {
        let trackers = lock(&self.routers).trackers.clone();
        let trackers = trackers.iter().filter_map(Weak::upgrade);
        match request {
            NodeRequest::Close { tag, close } => {
                trackers.map(|tracker| tracker.close_tagged(tag, close)).sum()
            }
            NodeRequest::Send { tag, name, message } => {
                let addrs = || trackers.flat_map(|tracker| tracker.tagged_addrs(tag)).collect();
                self.receivers.deliver(name, message, addrs)
            }
        }
    }
}

impl RequestHandler for LocalConnections {
    fn handle(&self, request: &[u8], node: u64) -> Option<Bytes> {
        let Some(request) = NodeRequest::parse(request) else {
            tracing::debug!(len = request.len(), "a malformed request of another process was ignored");
            return None;
        };
        Some(NodeAnswer { node, connections: self.execute(&request) }.encode())
    }
}
