use proptest::prelude::*;

use super::super::control::Control;
use super::header::{header_size, is_whole, payload_len};
use super::replay_buffer::MAX_ESCAPED;
use super::*;
use crate::wire::{FIN, MAX_HEADER, Opcode, write_header};

impl Downlink {
    fn len(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.bytes.len())
    }
}

/// A client that reads one stream after another, and counts messages as the protocol demands.
#[derive(Default)]
struct Client {
    received: Vec<(u8, Vec<u8>)>,
    /// The bytes of the current stream that are not a whole frame.
    partial: Vec<u8>,
    message: Option<(u8, Vec<u8>)>,
    control_frames: usize,
}

impl Client {
    fn reconnect(&mut self) -> u64 {
        self.partial.clear();
        self.message = None;
        self.received.len() as u64
    }

    fn read(&mut self, bytes: &[u8]) {
        self.partial.extend(bytes);
        loop {
            let size = header_size(&self.partial);
            if !is_whole(&self.partial) || self.partial.len() < size + payload_len(&self.partial[..size]) {
                return;
            }
            let len = payload_len(&self.partial[..size]);
            let frame: Vec<u8> = self.partial.drain(..size + len).collect();
            self.frame(frame[0], &frame[size..]);
        }
    }

    fn frame(&mut self, first: u8, payload: &[u8]) {
        match first & 0x0f {
            0 => self.message.as_mut().expect("a continuation").1.extend(payload),
            opcode @ 1..=2 => {
                assert!(self.message.is_none(), "a message within another");
                self.message = Some((opcode, payload.to_vec()));
            }
            _ => {
                self.control_frames += 1;
                return;
            }
        }
        if first & FIN == 0 {
            return;
        }
        let (opcode, payload) = self.message.take().unwrap();
        self.received.push(match payload.first() {
            Some(0) if opcode == 1 => match Control::parse(&payload) {
                Ok(Control::Text(text)) => (1, text.into_bytes()),
                other => panic!("{other:?}"),
            },
            _ => (opcode, payload),
        });
    }
}

fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; MAX_HEADER];
    let size = write_header(&mut header, Opcode::Continuation, payload.len());
    header[0] = first;
    [&header[..size], payload].concat()
}

/// Returns the frames of a message, and control frames in and after it.
fn frames(opcode: u8, fragments: &[Vec<u8>], pings: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, fragment) in fragments.iter().enumerate() {
        let first = if index == 0 { opcode } else { 0 };
        let fin = if index + 1 == fragments.len() { FIN } else { 0 };
        out.extend(server_frame(fin | first, fragment));
        if index < pings {
            out.extend(server_frame(0x89, b"?"));
        }
    }
    out
}

fn message() -> impl Strategy<Value = (u8, Vec<Vec<u8>>, usize)> {
    let text = prop_oneof![
        "[a-z\u{0}\"é\\\\]{0,9}".prop_map(String::into_bytes),
        Just(b"\0\x01\n\"\\".to_vec()),
        Just(vec![b'x'; 200]),
    ];
    let fragments = || prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4);
    prop_oneof![
        (text, 0..4_usize, 0..3_usize).prop_map(|(text, cuts, pings)| {
            let mut fragments = vec![Vec::new(); cuts];
            // Cut anywhere, also within a character and before the first byte.
            let middle = text.len() / 2;
            fragments.push(text[..middle].to_vec());
            fragments.push(text[middle..].to_vec());
            (1, fragments, pings)
        }),
        (fragments(), 0..3_usize).prop_map(|(fragments, pings)| (2, fragments, pings)),
        "[a-z\u{0}]{0,40}".prop_map(|text| (1, vec![text.into_bytes()], 0)),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    /// Pushes a short message, of which that many bytes are written at once.
    PushShort(usize),
    Send(usize),
    Ack,
    Reconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..400_usize).prop_map(Step::Push),
        4 => (0..60_usize).prop_map(Step::PushShort),
        4 => (1..400_usize).prop_map(Step::Send),
        1 => Just(Step::Ack),
        1 => Just(Step::Reconnect),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn every_message_arrives_once_and_in_order(
        messages in prop::collection::vec(message(), 0..20),
        steps in steps(),
    ) {
        let bytes: Vec<u8> =
            messages.iter().flat_map(|(opcode, parts, pings)| frames(*opcode, parts, *pings)).collect();
        let expected: Vec<_> =
            messages.iter().map(|(opcode, fragments, _)| (*opcode, fragments.concat())).collect();
        let (mut down, mut client, mut pushed) = (Downlink::new(700), Client::default(), 0);
        let rest = [Step::Push(usize::MAX), Step::Send(usize::MAX), Step::Ack].into_iter().cycle().take(3 * 700);
        for step in steps.into_iter().chain(rest) {
            match step {
                Step::Push(len) => {
                    let end = bytes.len().min(pushed + len.min(bytes.len()));
                    let before = down.len();
                    pushed += down.push(&bytes[pushed..end]);
                    // A message alone may be longer than the limit; escapes and headers may exceed it.
                    prop_assert!(down.len() <= before.max(700 + 6 * MAX_ESCAPED).max(2000));
                }
                Step::PushShort(written) => {
                    let input = &bytes[pushed..];
                    if input.is_empty() || !down.is_sent() {
                        continue;
                    }
                    let size = header_size(input);
                    let input = &input[..size + payload_len(&input[..size])];
                    if down.push_short(input) {
                        pushed += input.len();
                        client.read(&input[..written.min(input.len())]);
                        if written < input.len() {
                            down.on_short_partly_sent(written);
                        } else {
                            down.on_short_sent();
                        }
                        prop_assert_eq!(down.is_sent(), written >= input.len());
                    }
                }
                Step::Send(mut len) => while len > 0 && down.has_unsent() {
                    let part = down.unsent(len % 2 == 0);
                    let part = part[..part.len().min(len)].to_vec();
                    client.read(&part);
                    down.on_sent(part.len());
                    len -= part.len();
                    if down.is_between_messages() {
                        prop_assert!(client.message.is_none() && client.partial.is_empty());
                    }
                },
                Step::Ack => prop_assert!(down.acknowledge(client.received.len() as u64)),
                Step::Reconnect => {
                    let received = client.reconnect();
                    prop_assert!(down.rewind(received));
                }
            }
            prop_assert!(!down.acknowledge(client.received.len() as u64 + 1));
        }
        prop_assert_eq!(client.received, expected);
        prop_assert_eq!(down.acked(), messages.len() as u64);
        // Nothing waits, so nothing is allocated.
        prop_assert!(down.buffer.is_none());
    }
}

#[test]
fn full_buffer_takes_no_more_until_an_acknowledgement() {
    let mut down = Downlink::new(10);
    let frame = server_frame(0x82, b"1234");
    assert_eq!(down.push(&[&*frame, &frame, &frame].concat()), 10);
    assert_eq!(down.push(&frame[4..]), 0);
    down.on_sent(6);
    assert!(down.acknowledge(1));
    assert_eq!(down.push(&frame[4..]), 2);
    // A message alone may be larger than the buffer, but what waits of it may not.
    let mut down = Downlink::new(10);
    let large = server_frame(0x82, &[7; 500]);
    let mut pushed = 0;
    while pushed < large.len() {
        let taken = down.push(&large[pushed..]);
        let unsent = down.unsent(true).len();
        assert!(taken > 0 && unsent <= 10 + MAX_HEADER, "{taken} bytes taken, {unsent} wait");
        pushed += taken;
        down.on_sent(unsent);
    }
    assert_eq!((down.len(), down.push(&frame)), (large.len(), 0));
    // So may a message behind others that the client has, although none of them is acknowledged.
    let mut down = Downlink::new(10);
    assert_eq!(down.push(&frame), frame.len());
    down.on_sent(frame.len());
    let mut pushed = 0;
    while pushed < large.len() {
        let taken = down.push(&large[pushed..]);
        assert!(taken > 0, "{pushed} bytes are taken");
        pushed += taken;
        down.on_sent(down.unsent(true).len());
    }
    assert_eq!(down.push(&frame), 0);
    // The bytes of an incomplete message wait again for the next stream.
    let mut down = Downlink::new(10);
    let taken = down.push(&large);
    down.on_sent(taken);
    assert!(down.rewind(0));
    assert_eq!((down.unsent(true).len(), down.push(&large[taken..])), (taken, 0));
}

#[test]
fn only_sent_messages_are_acknowledged_and_only_kept_ones_sent_again() {
    let mut down = Downlink::new(100);
    let frame = server_frame(0x82, b"1234");
    assert_eq!(down.push(&[&*frame, &frame, &frame].concat()), 18);
    assert!(!down.acknowledge(1));
    down.on_sent(13);
    assert!(down.acknowledge(2) && !down.acknowledge(3));
    assert!(down.acknowledge(1), "an older acknowledgement is late");
    assert!(!down.keeps(1) && down.keeps(2) && !down.keeps(3));
    assert!(!down.rewind(1) && down.rewind(2));
    assert_eq!(down.unsent(true), frame);
}

#[test]
fn evicted_messages_cannot_be_sent_again() {
    let mut down = Downlink::new(24);
    let frame = server_frame(0x82, b"1234");
    assert_eq!(down.push(&frame.repeat(4)), 24);
    down.on_sent(13);
    down.evict_sent();
    assert_eq!((down.acked(), down.len()), (2, 12));
    assert!(!down.keeps(1) && down.keeps(2));
    // Messages that were not sent are kept.
    down.evict_sent();
    assert_eq!(down.acked(), 2);
}
