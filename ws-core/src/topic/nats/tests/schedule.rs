//! Schedules: random ones, and those that found a mistake.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::broker::LEN;
use super::step::{Step, step};
use super::world::World;

/// Environment variable with the number of schedules.
const CASES: &str = "WS_SIMULATED_SCHEDULES";

/// Number of schedules without that variable.
const DEFAULT_CASES: u32 = 100;

fn run(steps: &[Step]) {
    run_with(Some(LEN), steps);
}

/// Runs a schedule with another limit of the stream than the history's.
fn run_with(stream_len: Option<usize>, steps: &[Step]) {
    let mut world = World::new(stream_len);
    let handle = world.runtime.handle().clone();
    let _entered = handle.enter();
    steps.iter().for_each(|step| world.run(*step));
    world.heal();
}

/// Each client receives every message once and in order, or learns how many are missing, or that it must load
/// everything anew.
#[test]
fn promise_holds_in_random_schedules() {
    run_random(Some(LEN));
}

/// An operator has raised, removed or lowered the limit of the stream.
#[test]
fn promise_holds_in_random_schedules_of_other_streams() {
    [Some(4 * LEN), None, Some(LEN / 2)].into_iter().for_each(run_random);
}

fn run_random(stream_len: Option<usize>) {
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
        run_with(stream_len, &steps);
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
