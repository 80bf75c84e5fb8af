//! Tapped connections: what a tap gets, and that it changes nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::message::MessageKind::{Binary, Text};
use crate::options::Options;
use crate::wire::testing::frame;
use crate::wire::{DeflateParams, OwnedPayload, PreparedMessage};

type Seen = (Direction, MessageKind, Vec<u8>, bool);

#[derive(Default)]
struct Recorder {
    seen: Mutex<Vec<Seen>>,
    is_ended: AtomicBool,
}

impl MessageTap for Recorder {
    fn on_message(&self, message: &TappedMessage<'_>) -> bool {
        let TappedMessage { direction, kind, payload, is_part } = *message;
        self.seen.lock().unwrap().push((direction, kind, payload.to_vec(), is_part));
        !self.is_ended()
    }

    fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed)
    }
}

fn connection(change: impl FnOnce(&mut Options)) -> Connection {
    let mut options = Options::DEFAULT;
    change(&mut options);
    Connection::new(options.into(), Vec::new(), Instant::now())
}

fn tapped(wire: &mut Connection) -> Arc<Recorder> {
    let recorder = Arc::<Recorder>::default();
    wire.tap(&(Arc::clone(&recorder) as Arc<dyn MessageTap>), Instant::now());
    recorder
}

fn receive(wire: &mut Connection, bytes: &[u8]) -> usize {
    let (mut bytes, mut count) = (bytes.to_vec(), 0);
    let mut input = &mut *bytes;
    while wire.next_message(&mut input).is_some() {
        count += 1;
    }
    count
}

/// Sends a message of each kind.
fn send(wire: &mut Connection) {
    wire.text("short");
    wire.binary(&[7; 300]);
    let written: Result<(), ()> = wire.text_with(|out| {
        out.extend(b"written");
        Ok(())
    });
    written.unwrap();
    wire.text_owned(OwnedPayload::from(b"owned".to_vec()));
    wire.send_prepared(&PreparedMessage::text("prepared"));
    let mut message = wire.begin_fragments(Text);
    wire.send_fragment(&mut message, b"first, ", false).unwrap();
    wire.send_fragment(&mut message, b"last", true).unwrap();
}

fn sent() -> Vec<Seen> {
    let messages: [(MessageKind, &[u8], bool); 7] = [
        (Text, b"short", false),
        (Binary, &[7; 300], false),
        (Text, b"written", false),
        (Text, b"owned", false),
        (Text, b"prepared", false),
        (Text, b"first, ", true),
        (Text, b"last", true),
    ];
    messages.map(|(kind, payload, is_part)| (Direction::Sent, kind, payload.to_vec(), is_part)).into()
}

#[test]
fn messages_to_the_client_pass_the_tap_and_stay_the_same() {
    let params = DeflateParams {
        level: 6,
        mem_level: 8,
        window_bits: 15,
        server_takeover: true,
        client_takeover: true,
        min_size: 0,
        per_frame: false,
    };
    for params in [None, Some(params)] {
        let (mut wire, mut plain) = (connection(|_| {}), connection(|_| {}));
        (wire, plain) = (wire.with_compression(params), plain.with_compression(params));
        let recorder = tapped(&mut wire);
        send(&mut wire);
        send(&mut plain);
        assert_eq!(wire.outbox().waiting(), plain.outbox().waiting(), "{params:?}");
        assert_eq!(*recorder.seen.lock().unwrap(), sent(), "{params:?}");
    }
}

#[test]
fn received_messages_pass_the_tap() {
    let mut wire = connection(|_| {});
    let recorder = tapped(&mut wire);
    let fragments = [frame(0x01, b"in "), frame(0x80, b"two")].concat();
    let input = [frame(0x81, b"short"), frame(0x82, &[1; 500]), frame(0x89, b"ping"), fragments].concat();
    assert_eq!(receive(&mut wire, &input), 4);
    let expected: [(MessageKind, &[u8]); 3] = [(Text, b"short"), (Binary, &[1; 500]), (Text, b"in two")];
    let expected = expected.map(|(kind, payload)| (Direction::Received, kind, payload.to_vec(), false));
    assert_eq!(*recorder.seen.lock().unwrap(), expected);
}

#[test]
fn parts_pass_the_tap_as_parts() {
    let mut wire = connection(|_| {});
    wire.deliver_in_parts();
    let recorder = tapped(&mut wire);
    let message = frame(0x82, &[1; 500]);
    receive(&mut wire, &message[..300]);
    let seen = recorder.seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].3 && seen[0].2.len() == 292, "{seen:?}");
}

#[test]
fn message_read_ahead_passes_the_tap_once() {
    let mut wire = connection(|_| {});
    let recorder = tapped(&mut wire);
    wire.read_ahead(&mut frame(0x81, b"waits"));
    assert!(wire.next_read_ahead().is_some());
    assert_eq!(recorder.seen.lock().unwrap().len(), 1);
}

#[test]
fn ended_tap_leaves_nothing_behind() {
    let mut wire = connection(|_| {});
    let (first, second) = (tapped(&mut wire), tapped(&mut wire));
    for recorder in [&first, &second] {
        assert!(wire.extras.checks().is_some() && wire.extras.encoder().is_some());
        recorder.is_ended.store(true, Ordering::Relaxed);
        receive(&mut wire, &frame(0x81, b"x"));
        wire.text("y");
    }
    assert!(wire.extras.checks().is_none() && wire.extras.encoder().is_none());
    assert_eq!((first.seen.lock().unwrap().len(), second.seen.lock().unwrap().len()), (2, 4));
    // The fast path is back.
    let mut bytes = frame(0x81, b"z");
    assert!(wire.next_short_message(&mut &mut *bytes).is_some());
}

#[test]
fn taps_that_end_without_a_message_are_not_kept() {
    let mut wire = connection(|_| {});
    let taps: Vec<_> = (0..10).map(|_| tapped(&mut wire)).collect();
    taps.iter().for_each(|tap| tap.is_ended.store(true, Ordering::Relaxed));
    tapped(&mut wire);
    assert!(taps.iter().all(|tap| Arc::strong_count(tap) == 1));
}

#[test]
fn rate_limit_holds_with_a_tap_and_after_it() {
    let mut wire = connection(|options| options.max_message_rate = Some(2));
    let recorder = tapped(&mut wire);
    recorder.is_ended.store(true, Ordering::Relaxed);
    assert_eq!(receive(&mut wire, &frame(0x81, b"x").repeat(2)), 2);
    assert!(wire.extras.checks().is_some());
    assert_eq!(receive(&mut wire, &frame(0x81, b"x")), 0);
    assert!(!wire.is_open());
}

#[test]
fn closing_connection_takes_no_tap() {
    let mut wire = connection(|_| {});
    wire.close(crate::Close::from(1000));
    tapped(&mut wire);
    assert!(wire.extras.checks().is_none() && wire.extras.encoder().is_none());
}
