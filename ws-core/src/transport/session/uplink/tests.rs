use proptest::prelude::*;

use super::*;
use crate::wire::testing::frame;

const LIMIT: usize = 1000;

/// The result of a stream: bytes that passed to the engine, and the control objects.
#[derive(Debug, Default, PartialEq)]
struct Passed {
    bytes: Vec<u8>,
    acks: Vec<u64>,
}

/// Passes a read of `bytes` through a buffer of `size` bytes.
fn read(up: &mut Uplink, bytes: &[u8], target: Target, passed: &mut Passed) -> Result<(), ProtocolError> {
    let mut buffer = vec![0; MAX_CLIENT_HEADER + bytes.len()];
    let stashed = |up: &mut Uplink, passed: &mut Passed| {
        let mut buffer = [0; 7];
        loop {
            match up.take_stashed(&mut buffer) {
                0 => break,
                len => passed.bytes.extend(&buffer[..len]),
            }
        }
    };
    if target == Target::Front {
        stashed(up, passed);
    }
    let held = up.take_held(&mut buffer);
    buffer[held..held + bytes.len()].copy_from_slice(bytes);
    let mut controls = Controls::default();
    let input = &mut buffer[..held + bytes.len()];
    let is_short = target == Target::Front && up.is_between_messages() && Uplink::is_short_message(input);
    let kept = if is_short {
        up.on_short_message();
        input.len()
    } else {
        up.process(input, target, LIMIT, &mut controls)?
    };
    passed.bytes.extend(&buffer[..kept]);
    passed.acks.extend(controls.ack);
    if target == Target::Front {
        stashed(up, passed);
    }
    Ok(())
}

/// What a client sends, as frames, and what of it passes.
#[derive(Clone, Debug)]
struct Sent {
    frames: Vec<u8>,
    passes: Vec<u8>,
    is_message: bool,
    ack: Option<u64>,
}

fn fragments(opcode: u8, parts: &[&[u8]], ping: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let fin = if index + 1 == parts.len() { FIN } else { 0 };
        out.extend(frame(fin | if index == 0 { opcode } else { 0 }, part));
        if ping && index == 0 {
            out.extend(frame(0x89, b"?"));
        }
    }
    out
}

fn sent() -> impl Strategy<Value = Sent> {
    let message = |frames: Vec<u8>| Sent { passes: frames.clone(), frames, is_message: true, ack: None };
    let ping = frame(0x89, b"?");
    prop_oneof![
        ("[a-zé]{0,200}", any::<bool>())
            .prop_map(move |(text, ping)| {
                let middle = text.len() / 2;
                message(fragments(
                    1,
                    &[
                        &text.as_bytes()[..middle.max(1).min(text.len())],
                        &text.as_bytes()[middle.max(1).min(text.len())..],
                    ],
                    ping && !text.is_empty(),
                ))
            })
            .prop_filter("its first fragment is empty", |sent| sent.frames[1] != 0x80),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(move |bytes| message(fragments(
            2,
            &[&bytes],
            false
        ))),
        // Empty fragments at the start of a text do not pass.
        (1..3_usize).prop_map(move |count| {
            let mut parts = vec![&b""[..]; count];
            parts.push(b"late");
            Sent { frames: fragments(1, &parts, false), ..message(fragments(1, &[b"late"], false)) }
        }),
        Just(Sent { passes: ping.clone(), frames: ping, is_message: false, ack: None }),
        (any::<u32>(), 0..20_usize, any::<bool>()).prop_map(|(number, cut, ping)| {
            let object = format!("\0{{\"ack\":{number}}}");
            let (first, second) = object.as_bytes().split_at(cut.min(object.len()));
            let frames = fragments(1, &[first, second], ping);
            let passes = if ping { frame(0x89, b"?") } else { Vec::new() };
            Sent { frames, passes, is_message: false, ack: Some(number.into()) }
        }),
        "[a-z\u{0}\"]{0,150}".prop_map(|text| {
            let object = [b"\0", serde_json::json!({ "text": text }).to_string().as_bytes()].concat();
            let mut header = [0; crate::wire::MAX_HEADER];
            let size = write_header(&mut header, Opcode::Text, text.len());
            header[1] |= 0x80;
            let passes = [&header[..size], &[0; 4], text.as_bytes()].concat();
            Sent { frames: frame(0x81, &object), passes, is_message: true, ack: None }
        }),
    ]
}

proptest! {
    /// However the bytes are cut, and wherever the stream is lost.
    #[test]
    fn cuts_make_no_difference(
        all in prop::collection::vec(sent(), 0..12),
        cuts in prop::collection::vec((1..90_usize, any::<bool>()), 1..60),
        lost_at in any::<prop::sample::Index>(),
    ) {
        let stream: Vec<u8> = all.iter().flat_map(|sent| sent.frames.clone()).collect();
        let expected: Vec<u8> = all.iter().flat_map(|sent| sent.passes.clone()).collect();
        let acks: Vec<u64> = all.iter().filter_map(|sent| sent.ack).collect();
        let (mut up, mut passed, mut at) = (Uplink::default(), Passed::default(), 0);
        for &(len, ahead) in cuts.iter().cycle() {
            let end = stream.len().min(at + len);
            let target = if ahead { Target::Stash } else { Target::Front };
            read(&mut up, &stream[at..end], target, &mut passed).unwrap();
            at = end;
            if at == stream.len() {
                break;
            }
        }
        read(&mut up, &[], Target::Front, &mut passed).unwrap();
        prop_assert_eq!(&passed.bytes, &expected);
        prop_assert_eq!(passed.acks.iter().max(), acks.iter().max());
        prop_assert_eq!(up.received(), all.iter().filter(|sent| sent.is_message).count() as u64);
        prop_assert_eq!(up.reset(), 0);

        // Lost at any byte: what remains of the passed bytes are whole messages, as many as are counted.
        let lost_at = lost_at.index(stream.len() + 1);
        let (mut up, mut passed) = (Uplink::default(), Passed::default());
        let first = lost_at / 2;
        read(&mut up, &stream[..first], Target::Front, &mut passed).unwrap();
        read(&mut up, &stream[first..lost_at], Target::Stash, &mut passed).unwrap();
        let incomplete = up.reset();
        passed.bytes.truncate(passed.bytes.len() - incomplete);
        read(&mut up, &[], Target::Front, &mut passed).unwrap();
        let (mut end, mut whole, mut count) = (0, Vec::new(), 0);
        for sent in &all {
            end += sent.frames.len();
            if end > lost_at {
                break;
            }
            whole.extend(&sent.passes);
            count += u64::from(sent.is_message);
        }
        prop_assert_eq!(up.received(), count);
        // A ping within or after the last message may have passed as well.
        prop_assert!(passed.bytes.starts_with(&whole));
        let surplus = &passed.bytes[whole.len()..];
        prop_assert!(surplus.is_empty() || surplus == frame(0x89, b"?"), "{:?}", surplus);
        // The next stream begins with a whole frame.
        read(&mut up, &frame(0x82, b"next"), Target::Front, &mut passed).unwrap();
        prop_assert!(passed.bytes.ends_with(&frame(0x82, b"next")));
        prop_assert_eq!(up.received(), count + 1);
    }
}

#[track_caller]
fn check(stream: &[u8], expect: Result<&[u8], ProtocolError>) {
    for cut in 0..=stream.len() {
        let (mut up, mut passed) = (Uplink::default(), Passed::default());
        let result = read(&mut up, &stream[..cut], Target::Front, &mut passed)
            .and_then(|()| read(&mut up, &stream[cut..], Target::Front, &mut passed));
        assert_eq!(result.map(|()| &*passed.bytes), expect, "cut at {cut}");
    }
}

#[test]
fn forbidden_frames_pass_for_the_engine_to_find() {
    let after = frame(0x81, b"\0{\"ack\":1}");
    for start in [&[0x81, 0x01, b'x'][..], &[0xc1, 0x81], &[0x83, 0x80], &[0x80, 0x80], &[0x09, 0x80]] {
        let stream = [start, &after].concat();
        check(&stream, Ok(&stream));
    }
}

#[test]
fn objects_have_a_limit_and_a_form() {
    let malformed = Err(ProtocolError::BadFrame("malformed control object of a session"));
    check(&frame(0x81, b"\0"), malformed);
    check(&frame(0x81, b"\0{}"), malformed);
    check(&frame(0x81, b"\0{\"ack\":\"1\"}"), malformed);
    let long = |len| format!("\0{{\"later\":\"{}\"}}", "x".repeat(len - 13));
    assert_eq!(long(LIMIT).len(), LIMIT);
    check(&frame(0x81, long(LIMIT).as_bytes()), Ok(&[]));
    check(&frame(0x81, long(LIMIT + 1).as_bytes()), Err(ProtocolError::MessageTooBig));
    // Binary messages are the application's, whatever they contain.
    let binary = frame(0x82, b"\0{}");
    check(&binary, Ok(&binary));
}

#[test]
fn empty_fragments_have_the_limit_of_the_engine() {
    let empty = |count: usize| [frame(0x01, b""), frame(0x00, b"").repeat(count - 1)].concat();
    let mut up = Uplink::default();
    read(&mut up, &empty(1024), Target::Front, &mut Passed::default()).unwrap();
    let more = read(&mut up, &frame(0x00, b""), Target::Front, &mut Passed::default());
    assert_eq!(more, Err(ProtocolError::LimitExceeded));
    // An empty message is one.
    check(&[empty(3), frame(0x80, b"")].concat(), Ok(&frame(0x81, b"")));
}

#[test]
fn idle_connection_owns_no_memory() {
    let (mut up, mut passed) = (Uplink::default(), Passed::default());
    for message in [&b"\0{\"text\":\"\\u0000\"}"[..], b"\0{\"ack\":1}", b"a"] {
        read(&mut up, &frame(0x81, message), Target::Front, &mut passed).unwrap();
    }
    assert!(up.rare.is_none());
    assert!(size_of::<Uplink>() <= 96, "{}", size_of::<Uplink>());
}

/// The connection is lost while the engine has a part of what was stashed.
#[test]
fn stashed_bytes_pass_once() {
    let (whole, half) = (frame(0x81, b"one"), frame(0x01, b"tw"));
    let sent = [whole.as_slice(), &half].concat();
    for taken in 0..=sent.len() {
        let (mut up, mut passed) = (Uplink::default(), Passed::default());
        read(&mut up, &sent, Target::Stash, &mut passed).unwrap();
        let mut buffer = vec![0; taken];
        assert_eq!(up.take_stashed(&mut buffer), taken);
        // What the engine has of the incomplete message is dropped there, and the rest here.
        assert_eq!(up.reset(), taken.saturating_sub(whole.len()));
        let mut rest = vec![0; sent.len()];
        let len = up.take_stashed(&mut rest);
        buffer.extend(&rest[..len]);
        assert_eq!(buffer, sent[..whole.len().max(taken)], "{taken}");
    }
}

/// The limit of empty fragments is one of each message.
#[test]
fn empty_fragments_are_counted_anew_for_each_text() {
    let (mut up, mut passed) = (Uplink::default(), Passed::default());
    let text = fragments(1, &[b"", b"late"], false);
    for _ in 0..=MAX_EMPTY_FRAGMENTS {
        read(&mut up, &text, Target::Front, &mut passed).unwrap();
    }
    assert_eq!(up.received(), u64::from(MAX_EMPTY_FRAGMENTS) + 1);
}
