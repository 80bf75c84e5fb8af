//! Random schedules, and the driver that runs them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::runtime::Runtime;

use super::broker::Broker;
use super::hub::{Line, Node};
use super::promise::{Account, Recorder};
use crate::sync::lock;
use crate::topic::since::Since;
use crate::topic::subscription::{Detach, Recovering, SubscriptionKind};

const NODES: usize = 3;
const CLIENTS: usize = 4;

/// Environment variable with the number of schedules.
const CASES: &str = "WS_SIMULATED_SCHEDULES";

/// Number of schedules without that variable.
const DEFAULT_CASES: u32 = 100;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A process publishes this many messages.
    Publish(usize, u64),
    /// The broker receives messages of a process.
    Send(usize, u64),
    /// A message of a process is lost on its way to the broker.
    Lose(usize),
    /// A process receives answers, the newest ones first if true.
    Acknowledge(usize, u64, bool),
    /// A process receives messages.
    Follow(usize, u64),
    /// A process loses its connection. The broker still receives this many of its messages.
    Cut(usize, usize),
    Reconnect(usize),
    /// A process finds out whether the stream has lost its end.
    CheckEnd(usize),
    /// A process ends, and another one starts.
    Die(usize),
    /// A client connects to a process, at its position if it has one.
    Join(usize, usize),
    Leave(usize),
    Fill(bool),
    Lead(bool),
    OtherTopic,
    /// The server restarts, without its last messages.
    LoseEnd(u64),
    /// The stream is deleted and created again.
    Recreate,
    /// Time passes, in milliseconds.
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..NODES;
    prop_oneof![
        6 => (node(), 1..4_u64).prop_map(|(node, len)| Step::Publish(node, len)),
        1 => (node(), 10..20_u64).prop_map(|(node, len)| Step::Publish(node, len)),
        6 => (node(), 1..6_u64).prop_map(|(node, len)| Step::Send(node, len)),
        1 => node().prop_map(Step::Lose),
        6 => (node(), 1..6_u64, any::<bool>()).prop_map(|(node, len, newest)| Step::Acknowledge(node, len, newest)),
        6 => (node(), 1..8_u64).prop_map(|(node, len)| Step::Follow(node, len)),
        2 => (node(), 0..4_usize).prop_map(|(node, kept)| Step::Cut(node, kept)),
        3 => node().prop_map(Step::Reconnect),
        1 => node().prop_map(Step::CheckEnd),
        1 => node().prop_map(Step::Die),
        4 => (0..CLIENTS, node()).prop_map(|(client, node)| Step::Join(client, node)),
        2 => (0..CLIENTS).prop_map(Step::Leave),
        1 => any::<bool>().prop_map(Step::Fill),
        1 => any::<bool>().prop_map(Step::Lead),
        1 => Just(Step::OtherTopic),
        1 => (1..6_u64).prop_map(Step::LoseEnd),
        1 => Just(Step::Recreate),
        2 => (100..4000_u64).prop_map(Step::Advance),
        1 => (5000..25_000_u64).prop_map(Step::Advance),
    ]
}

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

struct World {
    runtime: Runtime,
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
    fn new() -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let broker = Broker::new();
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

    fn run(&mut self, step: Step) {
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
    fn heal(&mut self) {
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

fn run(steps: &[Step]) {
    let mut world = World::new();
    let handle = world.runtime.handle().clone();
    let _entered = handle.enter();
    steps.iter().for_each(|step| world.run(*step));
    world.heal();
}

/// Each client receives every message once and in order, or learns how many are missing, or that it must load
/// everything anew.
#[test]
fn promise_holds_in_random_schedules() {
    let cases = std::env::var(CASES).ok().and_then(|cases| cases.parse().ok()).unwrap_or(DEFAULT_CASES);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    // Without the variable the schedules are always the same ones.
    let is_random = std::env::var_os(CASES).is_some();
    let mut runner = if is_random {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    let steps = proptest::collection::vec(step(), 1..80);
    if let Err(error) = runner.run(&steps, |steps| {
        run(&steps);
        Ok(())
    }) {
        panic!("{error}");
    }
}

/// The subscriber that recovered message 2 has a tracker that knows no message of the sender.
#[test]
fn message_sent_again_after_a_lost_end_does_not_follow_a_recovered_one() {
    use Step::{Follow, Join, Lose, LoseEnd, Publish, Send};
    run(&[
        Join(0, 2),
        Publish(2, 2),
        Follow(2, 1),
        Lose(2),
        Join(0, 2),
        Send(2, 1),
        Follow(2, 1),
        LoseEnd(1),
    ]);
}

/// Another process stores a message at the lost offset before the process that has seen it looks again.
#[test]
fn lost_end_that_is_overwritten_is_noticed() {
    use Step::{Follow, Join, LoseEnd, OtherTopic, Publish, Reconnect, Send};
    run(&[Join(0, 1), OtherTopic, Follow(1, 1), LoseEnd(1), Reconnect(2), Publish(2, 1), Send(2, 1)]);
    run(&[
        Join(0, 0),
        Publish(1, 1),
        Send(1, 1),
        Follow(0, 1),
        Publish(0, 10),
        LoseEnd(1),
        Reconnect(2),
        Publish(2, 1),
        Send(2, 1),
    ]);
}

/// The client has recovered what its process has not received.
#[test]
fn recovered_messages_are_not_repeated_after_a_lost_end() {
    use Step::{Acknowledge, Follow, Join, Leave, Lose, LoseEnd, Publish, Send};
    // Message 2 is sent again.
    run(&[
        Join(0, 0),
        Join(1, 0),
        Follow(0, 1),
        Publish(2, 3),
        Send(2, 1),
        Acknowledge(2, 1, false),
        Follow(0, 1),
        Leave(0),
        Lose(2),
        Send(2, 1),
        Join(0, 0),
        LoseEnd(1),
    ]);
    // Message 2 is still there.
    run(&[
        Join(0, 0),
        Join(1, 0),
        Follow(0, 1),
        Publish(2, 3),
        Send(2, 1),
        Follow(0, 1),
        Leave(0),
        Send(2, 2),
        Join(0, 0),
        LoseEnd(1),
    ]);
}

/// The process has not received message 1, and the client has.
#[test]
fn recovered_message_that_is_discarded_is_not_counted() {
    use Step::{Follow, Join, Publish, Send};
    run(&[
        Publish(2, 1),
        Join(3, 2),
        Follow(2, 1),
        Send(2, 1),
        Publish(2, 1),
        Join(0, 2),
        Join(3, 2),
        Publish(0, 12),
    ]);
}

/// Message 1 is stored behind 4, so the base of the next attempt of message 2 is behind 4 too.
#[test]
fn message_sent_again_does_not_follow_later_ones() {
    use Step::{Advance, Cut, Follow, Join, OtherTopic, Publish, Reconnect, Send};
    run(&[
        Publish(0, 3),
        Cut(0, 0),
        OtherTopic,
        Join(3, 1),
        Reconnect(0),
        Publish(0, 1),
        Advance(5000),
        Follow(1, 1),
        Advance(250),
        Send(0, 2),
        Join(3, 2),
        Follow(2, 1),
    ]);
}

/// The client has recovered messages that the history discards before its process receives them.
#[test]
fn discarded_messages_are_not_counted_for_a_client_that_has_recovered_them() {
    use Step::{CheckEnd, Follow, Join, LoseEnd, Publish, Send};
    // Client 1 keeps the process subscribed while client 0 returns.
    let recover = [Join(0, 1), Join(1, 1), Follow(1, 1), Publish(1, 3), Send(1, 3), Join(0, 1)];
    // The process has received nothing.
    run(&[&recover[..], &[Publish(1, 13), Send(1, 13)]].concat());
    // The process has received the first message, and the next ones are of another sender.
    let received = [&recover[..], &[Follow(1, 1), Publish(0, 13), Send(0, 13)]].concat();
    run(&[&received[..], &[Follow(1, 1), Publish(1, 1), Send(1, 1)]].concat());
    // The process counts its messages in the next epoch.
    run(&[&received[..], &[CheckEnd(0), LoseEnd(1)]].concat());
}

/// The stored message 2 is sent again, so that the broker stores message 1 behind it.
#[test]
fn message_stored_late_is_no_base_of_the_next_one() {
    use Step::{Advance, Cut, Follow, Join, Lose, Publish};
    run(&[
        Join(0, 0),
        Follow(0, 1),
        Publish(1, 2),
        Lose(1),
        Advance(5000),
        Advance(250),
        Publish(1, 1),
        Cut(1, 2),
        Join(0, 0),
    ]);
}

/// The process that counts the messages of the previous epoch has started after them, and the client has not.
#[test]
fn messages_before_the_start_are_not_counted_in_the_next_epoch() {
    use Step::{Advance, Follow, Join, Lose, LoseEnd, Publish, Send};
    run(&[
        Join(1, 2),
        Publish(1, 1),
        Lose(1),
        Follow(2, 1),
        Publish(1, 1),
        Join(1, 2),
        Send(1, 1),
        Advance(11_655),
        Follow(2, 1),
        LoseEnd(1),
        Advance(2345),
    ]);
}

/// The store takes neither the message nor its mark.
#[test]
fn loss_that_is_not_stored_is_reported_by_the_other_processes() {
    use Step::{Acknowledge, Fill, Follow, Join, Lead, Publish, Send};
    for fault in [Fill(true), Lead(false)] {
        run(&[Join(0, 1), Follow(1, 1), fault, Publish(0, 1), Send(0, 1), Acknowledge(0, 1, false)]);
    }
}
