//! The events of a schedule.

use proptest::prelude::*;

/// Number of processes.
pub(super) const NODES: usize = 3;

/// Number of clients.
pub(super) const CLIENTS: usize = 4;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
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

/// Returns a random step.
pub(super) fn step() -> impl Strategy<Value = Step> {
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
