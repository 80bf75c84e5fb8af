//! A stream without a limit, which has more messages than the history.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use tokio::runtime::Runtime;

use super::broker::{Broker, LEN};
use super::node::Node;
use super::promise::{Event, Recorder};
use crate::sync::lock;
use crate::topic::position::Position;
use crate::topic::since::Since;
use crate::topic::subscription::{Recovery, SubscriptionKind};

/// Number of messages that are published while the process is away.
const STORED: u64 = 5_000;

/// Returns a runtime with virtual time. Tests enter it without a task, which would have a coop budget.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Publishes numbered messages, each of which the broker stores.
fn publish(node: &mut Node, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        node.topic.publish((1, number)).unwrap();
        node.pump();
        node.send();
        node.acknowledge(false);
    }
}

/// Subscribes a client and completes its recovery. Returns its events.
fn recover(node: &mut Node, since: Since) -> (Recovery, Vec<Event>) {
    let recorder = Recorder::default();
    let subscriber = Box::new(recorder.clone());
    let (_, recovering) = node.topic.0.subscribe_from(subscriber, SubscriptionKind::Handler, since);
    node.recover();
    (recovering.now_or_never().unwrap(), recorder.take())
}

/// Returns the numbers of the received messages, and the sum of the reported losses.
#[track_caller]
fn received(events: Vec<Event>) -> (Vec<u64>, u64) {
    let (mut numbers, mut missed) = (Vec::new(), 0);
    for event in events {
        match event {
            Event::Received(line, _) => numbers.push(line.1),
            Event::Lagged(lagged) => {
                assert!(numbers.is_empty(), "a loss after {numbers:?}");
                missed += lagged;
            }
        }
    }
    (numbers, missed)
}

/// Returns the position of a message.
fn position(broker: &Arc<Mutex<Broker>>, number: u64) -> Position {
    let broker = lock(broker);
    let found = broker.messages.iter().find(|(_, stamp, _)| stamp.id.sequence == number);
    Position { epoch: broker.epoch, offset: found.unwrap().0 }
}

#[test]
fn only_the_history_is_read_and_delivered() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let broker = Broker::new(None);
    let [mut publisher, mut process] = [1, 2].map(|node| Node::new(node, &broker));
    let stayed = Recorder::default();
    process.topic.0.subscribe(Box::new(stayed.clone()), SubscriptionKind::Handler);
    process.follow();
    publish(&mut publisher, 1..=1);
    process.follow();
    assert_eq!(received(stayed.take()), (vec![1], 0));

    process.cut(0);
    // Other topics make the offsets of this one differ.
    lock(&broker).store_other();
    publish(&mut publisher, 2..=STORED);
    process.reconnect();
    process.follow();
    // More calls than the history has messages.
    (0..LEN * 2).for_each(|_| process.follow());
    let len = LEN as u64;
    let history: Vec<_> = (STORED - len + 1..=STORED).collect();
    assert_eq!(received(stayed.take()), (history.clone(), STORED - 1 - len));

    let before = position(&broker, STORED - len);
    let (recovery, events) = recover(&mut process, before.into());
    assert!(recovery.recovered);
    assert_eq!(received(events), (history, 0));
    for number in [STORED - len - 1, 1] {
        let (recovery, events) = recover(&mut process, position(&broker, number).into());
        assert!(!recovery.recovered, "more than the history follow message {number}");
        assert_eq!(received(events), (Vec::new(), 0));
    }
}

/// A process that is behind while it is connected receives what the stream has. No loss is reported, although the
/// history would have discarded messages.
#[test]
fn messages_that_the_stream_has_are_not_reported_as_lost() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let broker = Broker::new(None);
    let [mut publisher, mut process] = [1, 2].map(|node| Node::new(node, &broker));
    let stayed = Recorder::default();
    process.topic.0.subscribe(Box::new(stayed.clone()), SubscriptionKind::Handler);
    process.follow();
    for number in 1..=100 {
        lock(&broker).store_other();
        publish(&mut publisher, number..=number);
    }
    (0..200).for_each(|_| process.follow());
    assert_eq!(received(stayed.take()), ((1..=100).collect(), 0));
}
