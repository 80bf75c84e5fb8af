//! The state that a typed client shares with its connections.

use std::sync::Mutex;

use serde_json::value::RawValue;
use tokio::sync::{broadcast, watch};

use crate::client::run::Ended;
use crate::sync::lock;

/// How many messages may wait for a stream.
const MAX_MESSAGES: usize = 1024;

/// A message of the server, as it arrived.
#[derive(Clone, Debug)]
pub(super) struct ReceivedMessage {
    pub(super) name: Box<str>,
    pub(super) params: Option<Box<RawValue>>,
}

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
    progress: watch::Sender<ClientProgress>,
}

struct Streams {
    /// `None` after the end.
    sender: Option<broadcast::Sender<ReceivedMessage>>,
    /// The receiver of the first stream, which misses no message.
    first: Option<broadcast::Receiver<ReceivedMessage>>,
}

impl<A: Clone> RemoteState<A> {
    pub(super) fn new() -> Self {
        let (sender, first) = broadcast::channel(MAX_MESSAGES);
        Self {
            addr: Mutex::new(None),
            streams: Mutex::new(Streams { sender: Some(sender), first: Some(first) }),
            progress: watch::Sender::new(ClientProgress::default()),
        }
    }

    /// Handles that a connection has opened.
    pub(super) fn open(&self, addr: A) {
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
        lock(&self.streams).sender = None;
        self.progress.send_modify(|progress| {
            progress.has_ended = true;
            progress.end = end;
        });
    }

    pub(super) fn addr(&self) -> Option<A> {
        lock(&self.addr).clone()
    }

    /// Passes a message to the streams. Without one, the message is dropped.
    pub(super) fn receive(&self, name: &str, params: Option<&RawValue>) {
        if let Some(sender) = &lock(&self.streams).sender {
            let message = ReceivedMessage { name: name.into(), params: params.map(ToOwned::to_owned) };
            _ = sender.send(message);
        }
    }

    /// Returns the receiver of a new stream. After the end, it is that of an ended stream.
    pub(super) fn receiver(&self) -> broadcast::Receiver<ReceivedMessage> {
        let mut streams = lock(&self.streams);
        let first = streams.first.take();
        let new = || streams.sender.as_ref().map(broadcast::Sender::subscribe);
        first.or_else(new).unwrap_or_else(|| broadcast::channel(1).1)
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
