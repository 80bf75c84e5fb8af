//! The state that a typed client shares with its connections.

use std::sync::{Arc, Mutex};

use serde_json::value::RawValue;
use tokio::sync::watch;

use super::streams::{StreamQueue, Streams};
use crate::client::run::Ended;
use crate::sync::lock;

/// The progress of a client.
#[derive(Clone, Debug, Default)]
struct ClientProgress {
    /// How many connections have opened.
    connections: u64,
    has_ended: bool,
    end: Option<Ended>,
}

/// The progress, the address and the streams of a client. `A` is the address of the connection's handler.
pub(super) struct RemoteState<A> {
    /// `None` without a connection.
    addr: Mutex<Option<A>>,
    streams: Mutex<Streams>,
    /// Whether the client offers sessions.
    has_sessions: bool,
    progress: watch::Sender<ClientProgress>,
}

impl<A: Clone> RemoteState<A> {
    pub(super) fn new(has_sessions: bool) -> Self {
        Self {
            has_sessions,
            addr: Mutex::new(None),
            streams: Mutex::new(Streams::new()),
            progress: watch::Sender::new(ClientProgress::default()),
        }
    }

    /// Handles that a connection has opened. One that resumes a session is not another one.
    pub(super) fn open(&self, addr: A) {
        if self.has_sessions && self.progress.borrow().connections > 0 {
            lock(&self.streams).reset();
        }
        *lock(&self.addr) = Some(addr);
        self.progress.send_modify(|progress| progress.connections += 1);
    }

    /// Handles that a connection has ended.
    pub(super) fn close(&self) {
        *lock(&self.addr) = None;
    }

    /// Handles the end of the client.
    pub(super) fn end(&self, end: Option<Ended>) {
        self.close();
        lock(&self.streams).end();
        self.progress.send_modify(|progress| {
            progress.has_ended = true;
            progress.end = end;
        });
    }

    pub(super) fn addr(&self) -> Option<A> {
        lock(&self.addr).clone()
    }

    /// Passes a message to the streams.
    pub(super) fn receive(&self, name: &str, params: Option<&RawValue>) {
        lock(&self.streams).push(name, params);
    }

    /// Returns the queue of a new stream.
    pub(super) fn subscribe(&self) -> Arc<StreamQueue> {
        lock(&self.streams).subscribe()
    }

    pub(super) async fn wait_connection(&self, after: u64) -> Option<u64> {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.connections > after || progress.has_ended).await;
        let connections = reached.ok()?.connections;
        (connections > after).then_some(connections)
    }

    pub(super) async fn wait_ended(&self) -> Option<Ended> {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.has_ended).await;
        reached.ok()?.end.clone()
    }
}
