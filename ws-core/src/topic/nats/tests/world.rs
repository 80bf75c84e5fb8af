//! The driver that runs a schedule.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Runtime;

use super::broker::Broker;
use super::hub::Line;
use super::node::Node;
use super::promise::{Account, Recorder};
use super::step::{CLIENTS, NODES, Step};
use crate::sync::lock;
use crate::topic::since::Since;
use crate::topic::subscription::{Detach, Recovering, SubscriptionKind};

/// A client, which may be connected.
#[derive(Default)]
struct Client {
    account: Account,
    connection: Option<Connection>,
}

struct Connection {
    node: usize,
    slot: usize,
    recorder: Recorder,
    /// The recovery, until it completes.
    recovering: Option<Recovering>,
}

/// The processes, their clients and the broker.
pub(super) struct World {
    pub(super) runtime: Runtime,
    broker: Arc<Mutex<Broker>>,
    nodes: Vec<Node>,
    /// Process number of each node, which changes when it dies.
    processes: Vec<usize>,
    clients: Vec<Client>,
    /// All accepted messages, and whether their loss can be known.
    accepted: Vec<(Line, bool)>,
    published: Vec<u64>,
    /// Messages that the stream has lost after it had stored them.
    lost: HashSet<Line>,
    /// Whether each process has seen messages that the stream has lost. Only these processes can notice.
    has_seen_lost: [bool; NODES],
}

impl World {
    /// Creates a world whose stream has this many messages after the first one before it discards any.
    pub(super) fn new(stream_len: Option<usize>) -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let broker = Broker::new(stream_len);
        Self {
            runtime: runtime.enable_time().start_paused(true).build().unwrap(),
            nodes: (0..NODES).map(|node| Node::new(node as u64 + 1, &broker)).collect(),
            broker,
            processes: (0..NODES).collect(),
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            accepted: Vec::new(),
            published: vec![0; NODES],
            lost: HashSet::new(),
            has_seen_lost: [false; NODES],
        }
    }

    pub(super) fn run(&mut self, step: Step) {
        match step {
            Step::Publish(node, len) => (0..len).for_each(|_| self.publish(node)),
            Step::Send(node, len) => (0..len).for_each(|_| self.nodes[node].send()),
            Step::Lose(node) => self.nodes[node].lose(),
            Step::Acknowledge(node, len, newest) => {
                (0..len).for_each(|_| self.nodes[node].acknowledge(newest));
            }
            Step::Follow(node, len) => {
                (0..len).for_each(|_| self.nodes[node].follow());
                self.nodes[node].receive_mark();
            }
            Step::Cut(node, kept) => self.nodes[node].cut(kept),
            Step::Reconnect(node) => self.nodes[node].reconnect(),
            Step::CheckEnd(node) => self.nodes[node].check_end(),
            Step::Die(node) => self.die(node),
            Step::Join(client, node) => self.join(client, node),
            Step::Leave(client) => self.leave(client),
            Step::Fill(is_full) => lock(&self.broker).is_full = is_full,
            Step::Lead(has_leader) => lock(&self.broker).has_no_leader = !has_leader,
            Step::OtherTopic => lock(&self.broker).store_other(),
            Step::LoseEnd(len) => {
                let last = lock(&self.broker).last.saturating_sub(len);
                let has_seen = self.nodes.iter().map(|node| node.has_seen_beyond(last));
                let has_seen: Vec<_> = has_seen.collect();
                if !has_seen.contains(&true) {
                    return;
                }
                let is_first = lock(&self.broker).lost_after.is_none();
                for (before, has_seen) in self.has_seen_lost.iter_mut().zip(has_seen) {
                    *before = has_seen || *before && !is_first;
                }
                self.nodes.iter_mut().for_each(|node| node.cut(0));
                self.forget_dead(len);
                lock(&self.broker).lose_end(len);
                for client in 0..CLIENTS {
                    let connection = self.clients[client].connection.as_ref();
                    let recovering = connection.filter(|connection| connection.recovering.is_some());
                    if recovering.is_some_and(|connection| self.is_misled(client, connection.node)) {
                        self.leave(client);
                    }
                }
            }
            Step::Recreate => {
                self.forget_dead(u64::MAX);
                lock(&self.broker).recreate();
                self.nodes.iter_mut().for_each(Node::end_consumer);
            }
            Step::Advance(millis) => {
                self.runtime.block_on(tokio::time::advance(Duration::from_millis(millis)));
            }
        }
        self.settle_step();
    }

    /// Runs what needs no message.
    fn settle_step(&mut self) {
        for at in 0..NODES {
            self.nodes[at].pump();
            for stamp in std::mem::take(&mut self.nodes[at].unstored) {
                if !self.nodes[at].is_connected() {
                    continue;
                }
                let others = self.nodes.iter_mut().enumerate().filter(|(other, _)| *other != at);
                others
                    .filter(|(_, node)| node.is_connected())
                    .for_each(|(_, node)| node.marks.push_back(stamp));
            }
            self.nodes[at].recover();
        }
        let accepted = self.accepted.len();
        for Client { account, connection } in &mut self.clients {
            let Some(connection) = connection else { continue };
            // The recovery completes before the events that its completion releases are recorded.
            if let Some(recovering) = &mut connection.recovering {
                let Some(recovery) = recovering.now_or_never() else { continue };
                connection.recovering = None;
                if !recovery.recovered {
                    account.restart(recovery.position, accepted);
                }
            }
            connection.recorder.take().into_iter().for_each(|event| account.record(event, accepted));
        }
    }

    fn publish(&mut self, node: usize) {
        let line = (self.processes[node], self.published[node] + 1);
        if self.nodes[node].topic.publish(line).is_ok() {
            self.published[node] += 1;
            self.accepted.push((line, true));
            self.nodes[node].pump();
        }
    }

    /// A process that ends loses its clients. Messages that it has not stored are lost without a trace.
    ///
    /// The end of a stream is lost without a trace if the processes that have seen it end before they notice.
    fn die(&mut self, node: usize) {
        if lock(&self.broker).lost_after.is_some() {
            return;
        }
        for client in 0..CLIENTS {
            if self.clients[client].connection.as_ref().is_some_and(|connection| connection.node == node) {
                self.leave(client);
            }
        }
        let process = self.processes[node];
        let stored: HashSet<Line> = lock(&self.broker)
            .messages
            .iter()
            .filter_map(|(_, _, payload)| serde_json::from_slice(payload).ok())
            .collect();
        let unstored = self.accepted.iter_mut().filter(|(line, _)| line.0 == process);
        unstored.filter(|(line, _)| !stored.contains(line)).for_each(|(_, is_knowable)| *is_knowable = false);
        self.processes[node] = self.processes.iter().max().unwrap() + 1;
        self.published[node] = 0;
        self.nodes[node] = Node::new(self.processes[node] as u64 + 1, &self.broker);
    }

    /// Messages of a process that has ended are lost without a trace together with the end of the stream.
    fn forget_dead(&mut self, len: u64) {
        let broker = lock(&self.broker);
        let lost = broker.messages.iter().filter(|(offset, ..)| *offset > broker.last.saturating_sub(len));
        let lost: HashSet<Line> =
            lost.filter_map(|(_, _, payload)| serde_json::from_slice(payload).ok()).collect();
        for (line, is_knowable) in &mut self.accepted {
            *is_knowable &= self.processes.contains(&line.0) || !lost.contains(line);
        }
        drop(broker);
        self.lost.extend(lost);
    }

    /// Returns whether a process would accept the position of a client behind a lost end.
    ///
    /// A documented limit: until a process that has seen the lost messages has reconnected, the others accept such
    /// a position, and the client may get a message again. Clients do not connect to those processes meanwhile.
    fn is_misled(&self, client: usize, node: usize) -> bool {
        let broker = lock(&self.broker);
        let position = self.clients[client].account.position;
        let position = position.filter(|position| position.epoch == broker.epoch);
        let is_behind = |kept| position.is_some_and(|position| position.offset > kept);
        broker.lost_after.is_some_and(is_behind) && !self.has_seen_lost[node]
    }

    fn join(&mut self, client: usize, node: usize) {
        if self.is_misled(client, node) {
            return;
        }
        self.leave(client);
        let Client { account, connection } = &mut self.clients[client];
        let recorder = Recorder::default();
        let since = Since::from(account.position);
        let channel = &self.nodes[node].topic.0;
        let (slot, recovering) =
            channel.subscribe_from(Box::new(recorder.clone()), SubscriptionKind::Handler, since);
        *connection = Some(Connection { node, slot, recorder, recovering: Some(recovering) });
    }

    fn leave(&mut self, client: usize) {
        self.settle_step();
        let Client { account, connection } = &mut self.clients[client];
        if let Some(Connection { node, slot, recovering, .. }) = connection.take() {
            // Events of a recovery that has not completed never reach the client.
            self.nodes[node].topic.0.detach(SubscriptionKind::Handler, slot);
            drop(recovering);
            account.disconnect();
        }
    }

    /// Connects all processes and clients, then ends all faults. Checks the promise before and after.
    pub(super) fn heal(&mut self) {
        self.nodes.iter_mut().for_each(Node::reconnect);
        self.nodes.iter_mut().for_each(Node::check_end);
        for client in 0..CLIENTS {
            // Clients that have left return.
            if self.clients[client].connection.is_none() {
                self.join(client, client % NODES);
            }
        }
        let has_fault = {
            let broker = lock(&self.broker);
            broker.is_full || broker.has_no_leader
        };
        if has_fault {
            // The processes report to one another what the broker does not store.
            self.settle(Node::has_outcomes);
            self.check();
            let mut broker = lock(&self.broker);
            (broker.is_full, broker.has_no_leader) = (false, false);
        }
        self.settle(Node::is_settled);
        self.check();
    }

    /// Runs until nothing changes.
    fn settle(&mut self, is_settled: impl Fn(&Node) -> bool) {
        let mut settled_rounds = 0;
        for round in 0.. {
            for at in 0..NODES {
                let node = &mut self.nodes[at];
                for _ in 0..40 {
                    node.send();
                    node.acknowledge(false);
                    node.follow();
                    node.receive_mark();
                }
            }
            self.run(Step::Advance(1000));
            settled_rounds = if self.nodes.iter().all(&is_settled) { settled_rounds + 1 } else { 0 };
            // Every process has noticed a change of the epoch, and has sent its marks, at most ten seconds apart.
            if settled_rounds > 12 {
                break;
            }
            assert!(round < 200, "the processes do not settle");
        }
        for at in 0..NODES {
            (0..100).for_each(|_| self.nodes[at].follow());
        }
        self.settle_step();
    }

    fn check(&self) {
        for (at, Client { account, connection }) in self.clients.iter().enumerate() {
            let connection = connection.as_ref().expect("no process has noticed the lost end");
            assert!(connection.recovering.is_none(), "client {at} has not recovered");
            assert!(self.nodes[connection.node].is_following());
            account.check(&self.accepted, &self.lost);
        }
    }
}
