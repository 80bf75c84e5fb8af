use proptest::prelude::*;

use super::*;
use crate::fuzzing::tests::targets::against_tungstenite::compare;
use crate::fuzzing::tests::targets::support::Cuts;
use crate::wire::testing::frame;

/// Decodes a stream that arrives in pieces, and describes the messages and the error as plain text.
fn decode(stream: &[u8], cuts: &[usize], max: usize) -> Vec<String> {
    let mut decoder = Decoder::new(max, true);
    let (mut seen, mut unread, mut at) = (Vec::new(), Vec::new(), 0);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        unread.extend_from_slice(&stream[at..cut]);
        at = cut;
        let mut input = &mut unread[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(decoded)) => {
                    let closed = matches!(decoded, Decoded::Close(_));
                    seen.push(describe(&decoded));
                    if closed {
                        return seen;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    seen.push(u16::from(error.code()).to_string());
                    return seen;
                }
            }
        }
        unread = input.to_vec();
        assert!(unread.len() < 6 + 125, "the decoder left {} bytes", unread.len());
    }
    seen
}

fn describe(decoded: &Decoded<'_>) -> String {
    match decoded {
        Decoded::Text(text) => format!("text {text}"),
        Decoded::Binary(bytes) => format!("binary {bytes:?}"),
        Decoded::Part(part) => format!("part {part:?}"),
        Decoded::Ping(bytes) => format!("ping {bytes:?}"),
        Decoded::Pong(bytes) => format!("pong {bytes:?}"),
        Decoded::Close(close) => format!("close {close:?}"),
    }
}

/// Checks that every cut into two pieces, and single bytes, yield the same messages.
#[track_caller]
fn check(stream: &[u8], expect: &[&str]) {
    for cut in 0..=stream.len() {
        assert_eq!(decode(stream, &[cut], 1 << 20), expect, "cut at {cut}");
    }
    let every: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(decode(stream, &every, 1 << 20), expect, "byte by byte");
}

#[test]
fn decodes_messages_in_any_pieces() {
    check(&frame(0x81, b"Hello"), &["text Hello"]);
    check(&frame(0x82, &[1, 2]), &["binary [1, 2]"]);
    check(&frame(0x81, b""), &["text "]);
    check(&[frame(0x81, b"a"), frame(0x81, b"b")].concat(), &["text a", "text b"]);
    check(
        &[frame(0x01, b"Hel"), frame(0x89, b"p"), frame(0x00, b""), frame(0x80, b"lo")].concat(),
        &["ping [112]", "text Hello"],
    );
    check(
        &[frame(0x01, "κ".as_bytes().split_at(1).0), frame(0x80, "κ".as_bytes().split_at(1).1)].concat(),
        &["text κ"],
    );
    let long = "x".repeat(300);
    check(&frame(0x81, long.as_bytes()), &[&format!("text {long}")]);
}

#[test]
fn reports_errors_in_any_pieces() {
    check(&frame(0x81, b"\xff"), &["1007"]);
    check(&[frame(0x01, b"\xce"), frame(0x80, b"")].concat(), &["1007"]);
    check(&[frame(0x01, b"a"), frame(0x81, b"b")].concat(), &["1002"]);
    check(&frame(0x88, &[0x03]), &["1002"]);
    check(&frame(0x88, &[0x03, 0xec]), &["1002"]); // 1004
    check(&frame(0x88, b"\x03\xe8\xff"), &["1007"]);
}

#[test]
fn decodes_close_frames() {
    check(&frame(0x88, b""), &["close None"]);
    for code in [1000, 1003, 1007, 1011, 1012, 1014, 3000, 4999] {
        let expect = format!("close {:?}", Some(Close::from(code)));
        check(&frame(0x88, &code.to_be_bytes()), &[&expect]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535_u16] {
        check(&frame(0x88, &code.to_be_bytes()), &["1002"]);
    }
}

#[test]
fn rejects_an_invalid_byte_in_an_incomplete_message() {
    // The message announces 100 bytes. The second byte cannot follow the first.
    let mut stream = frame(0x01, &[b"\xf4\x90".as_slice(), &[b'a'; 98]].concat());
    stream.truncate(6 + 2);
    assert_eq!(decode(&stream, &[7], 1 << 20), ["1007"]);
}

#[test]
fn rejects_a_message_that_is_too_big_by_its_header() {
    let limit = 10;
    let header_alone = &frame(0x82, &[0; 11])[..6];
    assert_eq!(decode(header_alone, &[], limit), ["1009"]);
    assert_eq!(decode(&frame(0x82, &[0; 10]), &[], limit).len(), 1);
    let mut fragments = [frame(0x02, &[0; 6]), frame(0x80, &[0; 5])].concat();
    assert_eq!(decode(&fragments, &[], limit), ["1009"]);
    fragments.truncate(fragments.len() - 5);
    assert_eq!(decode(&fragments, &[], limit), ["1009"], "the second header is enough");
}

#[test]
fn header_alone_allocates_nothing() {
    let mut decoder = Decoder::new(1 << 30, true);
    let mut stream = vec![0x82, 0xff, 0, 0, 0, 0, 0x20, 0, 0, 0, 1, 2, 3, 4];
    let mut input = &mut stream[..];
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert_eq!(decoder.capacity(), 0);
    let mut arrived = vec![0; 1000];
    assert_eq!(decoder.decode(&mut &mut arrived[..]), Ok(None));
    assert!(decoder.capacity() <= 2000, "{}", decoder.capacity());
}

#[test]
fn owns_no_buffer_after_a_message() {
    let mut decoder = Decoder::new(1 << 20, true);
    let mut stream = frame(0x81, &[b'a'; 5000]);
    let (first, second) = stream.split_at_mut(2000);
    assert_eq!(decoder.decode(&mut &mut first[..]), Ok(None));
    assert!(decoder.decode(&mut &mut second[..]).unwrap().is_some());
    assert_eq!(decoder.capacity(), 0);
}

#[test]
fn replaces_invalid_text_without_validation() {
    let mut decoder = Decoder::new(100, false);
    let mut stream = [frame(0x81, b"a\xffb"), frame(0x01, b"c\xff"), frame(0x80, b"d")].concat();
    let mut input = &mut stream[..];
    assert_eq!(decoder.decode(&mut input), Ok(Some(Decoded::Text("a\u{fffd}b".into()))));
    assert_eq!(decoder.decode(&mut input), Ok(Some(Decoded::Text("c\u{fffd}d".into()))));
}

/// Streams of frames, most of them valid.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x01_u8, 0x02, 0x81, 0x82, 0x00, 0x80, 0x89, 0x8a, 0x88]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "\\PC{0,20}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..150),
        1 => (1000_u16..1020).prop_map(|code| code.to_be_bytes().to_vec()),
    ];
    prop::collection::vec((first, payload).prop_map(|(first, payload)| frame(first, &payload)), 0..8)
        .prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn agrees_with_tungstenite_on_frames(
        stream in frames(),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut at: Vec<usize> = cuts.drain(..).map(|cut| cut.index(stream.len() + 1)).collect();
        at.sort_unstable();
        compare(&stream, &Cuts::At(at), 200);
    }

    #[test]
    fn decode_short_agrees_with_decode(mut stream in frames(), limit in 0..130_usize, validates in any::<bool>()) {
        let mut copy = stream.clone();
        let (mut short, mut general) = (Decoder::new(limit, validates), Decoder::new(limit, validates));
        let (mut input, mut other) = (&mut stream[..], &mut copy[..]);
        while let Some(decoded) = short.decode_short(&mut input) {
            let decoded = decoded.map(|message| match message {
                BorrowedMessage::Text(text) => Some(Decoded::Text(text.into())),
                BorrowedMessage::Binary(bytes) => Some(Decoded::Binary(bytes.into())),
            });
            prop_assert_eq!(decoded, general.decode(&mut other));
            prop_assert_eq!(&input, &other);
        }
    }

    #[test]
    fn agrees_with_tungstenite_on_noise(
        stream in prop::collection::vec(any::<u8>(), 0..100),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut at: Vec<usize> = cuts.drain(..).map(|cut| cut.index(stream.len() + 1)).collect();
        at.sort_unstable();
        compare(&stream, &Cuts::At(at), 200);
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn frame_limit_of_four_gib_is_none() {
    let mut decoder = Decoder::new(usize::MAX, true);
    for (limit, expected) in [
        (Some(0), 0),
        (Some(65_536), 65_536),
        (Some((4 << 30) - 2), (4 << 30) - 2),
        (Some(4 << 30), usize::MAX),
        (None, usize::MAX),
    ] {
        decoder.set_max_frame_size(limit);
        assert_eq!(decoder.max_frame_size(), expected, "{limit:?}");
    }
}
