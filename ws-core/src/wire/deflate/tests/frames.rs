//! `x-webkit-deflate-frame`: each frame is compressed by itself.

use flate2::{Compress as Miniz, Compression};
use proptest::prelude::*;

use super::connection::connection_with;
use super::random::message;
use super::*;
use crate::wire::testing::peer_deflates;

fn per_frame(takeover: bool, max: usize) -> Decoder {
    let mut decoder = Decoder::new(max, true);
    decoder.set_inflater(Inflater::new(takeover, true));
    decoder
}

fn stream(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()
}

/// Checks that every cut into two pieces, and single bytes, yield the same messages.
#[track_caller]
fn check(frames: &[(u8, &[u8])], expect: &[&str]) {
    let stream = stream(frames);
    for cut in 0..=stream.len() {
        assert_eq!(decode(&mut per_frame(true, 1 << 20), &stream, &[cut]), expect, "cut at {cut}");
    }
    let every: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(decode(&mut per_frame(true, 1 << 20), &stream, &every), expect, "byte by byte");
}

/// A payload that refers to an earlier "Hello".
const AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];

#[test]
fn decodes_each_frame_as_one_stream() {
    check(
        &[(0xc1, HELLO), (0xc1, AGAIN), (0x81, b"plain"), (0xc1, AGAIN)],
        &["Hello", "Hello", "plain", "Hello"],
    );
    check(&[(0x41, HELLO), (0xc0, AGAIN)], &["HelloHello"]);
    check(&[(0x41, HELLO), (0x89, b""), (0x40, AGAIN), (0xc0, HELLO)], &["ping", "HelloHelloHello"]);
    // The compression bit of each frame counts.
    check(&[(0x01, b"plain "), (0xc0, HELLO)], &["plain Hello"]);
    check(&[(0x41, HELLO), (0x00, b" plain "), (0x40, AGAIN), (0x80, b"")], &["Hello plain Hello"]);
    check(&[(0x41, b""), (0x40, &[0x00]), (0xc0, HELLO)], &["Hello"]);
    // Valid in RFC 7692, but here the first frame is truncated.
    check(&[(0x41, &HELLO[..3]), (0x80, &HELLO[3..])], &["1007"]);
}

#[test]
fn rejects_invalid_frames() {
    check(&[(0xc9, b"")], &["1002"]);
    check(&[(0x41, HELLO), (0xc8, b"")], &["1002"]);
    check(&[(0xc0, HELLO)], &["1002"]);
    check(&[(0x41, HELLO), (0xc1, HELLO)], &["1002"]);
    check(&[(0xa1, HELLO)], &["1002"]);
    check(&[(0x41, HELLO), (0xe0, HELLO)], &["1002"]);
    check(&[(0x41, HELLO), (0x40, &[0xff, 0xff])], &["1007"]);
    let again = stream(&[(0x41, HELLO), (0xc0, AGAIN)]);
    assert_eq!(decode(&mut per_frame(false, 100), &again, &[]), ["1007"]);
    let anew = stream(&[(0x41, HELLO), (0xc0, HELLO)]);
    assert_eq!(decode(&mut per_frame(false, 100), &anew, &[]), ["HelloHello"]);
    // A final block, then a reference to bytes that were never in the stream.
    let refers = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00];
    check(&[(0x01, b"plain"), (0xc0, refers)], &["plainHelloHello"]);
    let before = &[0x03, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00];
    check(&[(0x01, b"plain"), (0xc0, before)], &["1007"]);
}

#[test]
fn accepts_characters_split_between_frames() {
    let [first, second] = ["☃".as_bytes()[..1].to_vec(), "☃".as_bytes()[1..].to_vec()];
    let mut deflater = Deflater::new(&PARAMS);
    let (mut start, mut end) = (Vec::new(), Vec::new());
    assert!(deflater.compress(&first, &mut start) && deflater.compress(&second, &mut end));
    check(&[(0x41, &start), (0xc0, &end)], &["☃"]);
    check(&[(0x41, &start), (0x80, &second)], &["☃"]);
    check(&[(0x01, &first), (0xc0, &deflated(&second, PARAMS))], &["☃"]);
    check(&[(0x41, &start), (0x80, b"x")], &["1007"]);
    check(&[(0x41, &start), (0x80, b"")], &["1007"]);
}

#[test]
fn limits_the_size_of_the_message() {
    let limit = 100_000;
    let half = deflated(&vec![b'x'; limit / 2], PARAMS);
    let fits = stream(&[(0x42, &half), (0xc0, &half)]);
    assert_eq!(decode(&mut per_frame(false, limit), &fits, &[])[0].len(), limit);
    let too_big = stream(&[(0x42, &half), (0x40, &half), (0xc0, &deflated(b"x", PARAMS))]);
    assert_eq!(decode(&mut per_frame(false, limit), &too_big, &[]), ["1009"]);
    let plain = stream(&[(0x42, &half), (0x40, &half), (0x80, b"x")]);
    assert_eq!(decode(&mut per_frame(false, limit), &plain, &[]), ["1009"]);
    let after_plain = stream(&[(0x02, &vec![b'x'; limit / 2 + 1]), (0xc0, &half)]);
    assert_eq!(decode(&mut per_frame(false, limit), &after_plain, &[]), ["1009"]);
    // 64 MiB in 64 KiB, in one read or several.
    let bomb = frame(0xc2, &deflated(&vec![0; 64 << 20], PARAMS));
    assert_eq!(decode(&mut per_frame(true, limit), &bomb, &[]), ["1009"]);
    assert_eq!(decode(&mut per_frame(true, limit), &bomb[..1000], &[20, 500]), ["1009"]);
}

#[test]
fn limits_the_compressed_size_over_all_frames() {
    let empty = [[0x00, 0x00, 0x00, 0xff, 0xff].repeat(20), vec![0x00]].concat();
    let mut stream = frame(0x42, &empty);
    for _ in 0..10 {
        stream.extend(frame(0x40, &empty));
    }
    assert_eq!(decode(&mut per_frame(true, 100), &stream, &[]), ["1009"]);
    // The next message has the full limit again, after any last frame.
    let message = [frame(0x42, &empty), frame(0x40, &empty), frame(0x80, b"x")].concat();
    let three = message.repeat(3);
    assert_eq!(decode(&mut per_frame(true, 100), &three, &[]), ["x", "x", "x"]);
}

#[test]
fn drops_messages_that_cross_the_close_frame() {
    let params = DeflateParams { per_frame: true, ..PARAMS };
    for ends in
        [&[(0x80, &b"\x83x"[..])][..], &[(0xc0, &[0xff; 9])], &[(0x00, b"\x83"), (0x40, HELLO), (0x80, b"")]]
    {
        let mut wire = connection_with(params, |_| {});
        // Half a character of an incomplete message.
        let half = deflated(&"☃".as_bytes()[..1], PARAMS);
        assert!(wire.next_message(&mut &mut frame(0x41, &half)[..]).is_none());
        wire.close(1000.into());
        let mut crossing = [stream(ends), frame(0x81, b"\xff"), frame(0x88, &[3, 232])].concat();
        let len = crossing.len();
        assert_eq!(wire.read_ahead(&mut crossing), len, "the client's close frame is still expected");
        assert!(wire.is_finished());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn accepts_the_output_of_other_encoders(
        messages in prop::collection::vec(prop::collection::vec((message(), any::<bool>()), 1..5), 1..5),
        takeover in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut peer = Miniz::new(Compression::default(), false);
        let (mut stream, mut expect) = (Vec::new(), Vec::new());
        for frames in messages {
            let mut whole = Vec::new();
            for (at, (part, is_compressed)) in frames.iter().enumerate() {
                let fin = if at + 1 == frames.len() { 0x80 } else { 0x00 };
                let first = fin | if at == 0 { 0x02 } else { 0x00 };
                if *is_compressed {
                    if !takeover {
                        peer.reset();
                    }
                    stream.extend(frame(first | 0x40, &peer_deflates(&mut peer, part)));
                } else {
                    stream.extend(frame(first, part));
                }
                whole.extend(part);
            }
            expect.push(String::from_utf8_lossy(&whole).into_owned());
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(decode(&mut per_frame(takeover, 1 << 20), &stream, &cuts), expect);
    }
}
