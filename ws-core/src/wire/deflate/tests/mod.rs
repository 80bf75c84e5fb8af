mod connection;
mod frames;
mod random;

use super::*;
use crate::close::ProtocolError;
use crate::wire::decoder::{Decoded, Decoder};
use crate::wire::testing::frame;

const PARAMS: DeflateParams = DeflateParams {
    level: 6,
    mem_level: 8,
    window_bits: 15,
    server_takeover: true,
    client_takeover: true,
    min_size: 0,
    per_frame: false,
};

fn inflating(takeover: bool, max: usize) -> Decoder {
    let mut decoder = Decoder::new(max, true);
    decoder.set_inflater(Inflater::new(takeover, false));
    decoder
}

fn describe(decoded: &Decoded<'_>) -> String {
    match decoded {
        Decoded::Text(text) => text.to_string(),
        Decoded::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Decoded::Ping(_) => "ping".into(),
        other => format!("{other:?}"),
    }
}

/// Decodes a stream that arrives in pieces.
fn decode(decoder: &mut Decoder, stream: &[u8], cuts: &[usize]) -> Vec<String> {
    let (mut seen, mut unread, mut at) = (Vec::new(), Vec::new(), 0);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        unread.extend_from_slice(&stream[at..cut]);
        at = cut;
        let mut input = &mut unread[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(decoded)) => seen.push(describe(&decoded)),
                Ok(None) => break,
                Err(error) => {
                    seen.push(u16::from(error.code()).to_string());
                    return seen;
                }
            }
        }
        unread = input.to_vec();
    }
    seen
}

/// Checks that every cut into two pieces, and single bytes, yield the same messages.
#[track_caller]
fn check(frames: &[(u8, &[u8])], expect: &[&str]) {
    let stream: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
    for cut in 0..=stream.len() {
        assert_eq!(decode(&mut inflating(true, 1 << 20), &stream, &[cut]), expect, "cut at {cut}");
    }
    let every: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(decode(&mut inflating(true, 1 << 20), &stream, &every), expect, "byte by byte");
}

const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn decodes_the_examples_of_the_rfc() {
    // §7.2.3.1, in one frame and in two.
    check(&[(0xc1, HELLO)], &["Hello"]);
    check(&[(0x41, &HELLO[..3]), (0x80, &HELLO[3..])], &["Hello"]);
    check(&[(0x41, &HELLO[..3]), (0x89, b"x"), (0x00, b""), (0x80, &HELLO[3..])], &["ping", "Hello"]);
    // §7.2.3.2: the second one refers to the first.
    check(&[(0xc1, HELLO), (0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])], &["Hello", "Hello"]);
    check(&[(0xc1, HELLO), (0x81, b"plain"), (0xc1, HELLO)], &["Hello", "plain", "Hello"]);
    // §7.2.3.3: not compressed.
    let stored = &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    check(&[(0xc1, stored)], &["Hello"]);
    // §7.2.3.4: later messages may refer to a final block.
    let last = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    check(&[(0xc1, last), (0xc1, last)], &["Hello", "Hello"]);
    check(&[(0xc1, last), (0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])], &["Hello", "Hello"]);
    check(&[(0xc2, &[&last[..7], HELLO].concat())], &["HelloHello"]);
    // §7.2.3.5: two blocks.
    let two = &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    check(&[(0xc1, two)], &["Hello"]);
    // §7.2.3.6: an empty message.
    check(&[(0xc1, &[0x00]), (0xc1, HELLO)], &["", "Hello"]);
}

#[test]
fn accepts_unusual_encodings() {
    // An empty payload for an empty message, and no tail after a final block.
    check(&[(0xc1, b""), (0xc1, HELLO)], &["", "Hello"]);
    check(&[(0x41, b""), (0x80, b""), (0xc1, HELLO)], &["", "Hello"]);
    check(&[(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), (0xc1, HELLO)], &["Hello", "Hello"]);
    // The empty block at the end is a final block.
    check(&[(0xc1, &[0x01]), (0xc1, HELLO)], &["", "Hello"]);
}

#[test]
fn garbage_closes_with_1007() {
    check(&[(0xc1, &[0xff, 0xff, 0xff])], &["1007"]);
    check(&[(0xc1, HELLO), (0xc1, &[0x06, 0x00])], &["Hello", "1007"]);
    // Truncated at every byte.
    for len in 1..HELLO.len() {
        check(&[(0xc1, &HELLO[..len])], &["1007"]);
    }
    let stored = &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    for len in 2..stored.len() {
        check(&[(0xc1, &stored[..len])], &["1007"]);
    }
    // A reference to bytes that were never sent.
    check(&[(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])], &["1007"]);
    // Garbage after a final block.
    check(&[(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xff])], &["1007"]);
}

#[test]
fn rejects_references_without_takeover() {
    let again = [frame(0xc1, HELLO), frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])].concat();
    assert_eq!(decode(&mut inflating(false, 100), &again, &[]), ["Hello", "1007"]);
}

#[test]
fn validates_text_while_inflating() {
    let bad = deflated(&[b"ab\xff".as_slice(), &[b'a'; 1000]].concat(), PARAMS);
    check(
        &[(0xc2, &bad), (0xc1, &bad)],
        &[&String::from_utf8_lossy(&[b"ab\xff".as_slice(), &[b'a'; 1000]].concat()), "1007"],
    );
    // The message is rejected before its end arrives.
    let mut stream = frame(0x41, &bad);
    stream.truncate(stream.len() - 3);
    assert_eq!(decode(&mut inflating(true, 1 << 20), &stream, &[]), ["1007"]);
    let half = deflated(b"caf\xc3", PARAMS);
    check(&[(0xc1, &half)], &["1007"]);
    let mut decoder = Decoder::new(100, false);
    decoder.set_inflater(Inflater::new(true, false));
    assert_eq!(decode(&mut decoder, &frame(0xc1, &half), &[]), ["caf\u{fffd}"]);
}

#[test]
fn rejects_reserved_bits_without_meaning() {
    check(&[(0xc9, b"")], &["1002"]);
    check(&[(0xc8, b"")], &["1002"]);
    check(&[(0x41, HELLO), (0xc0, b"")], &["1002"]);
    check(&[(0x01, b"a"), (0xc0, HELLO)], &["1002"]);
    check(&[(0xa1, HELLO)], &["1002"]);
    check(&[(0x91, HELLO)], &["1002"]);
    check(&[(0xe1, HELLO)], &["1002"]);
    check(&[(0xd1, HELLO)], &["1002"]);
    check(&[(0xc3, HELLO)], &["1002"]);
    let plain = &mut Decoder::new(100, true);
    assert_eq!(decode(plain, &frame(0xc1, HELLO), &[]), ["1002"]);
}

fn deflated(message: &[u8], params: DeflateParams) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(Deflater::new(&params).compress(message, &mut out));
    out
}

#[test]
fn limits_the_inflated_size_while_inflating() {
    let limit = 100_000;
    let message = |len| frame(0xc2, &deflated(&vec![b'x'; len], PARAMS));
    assert_eq!(decode(&mut inflating(true, limit), &message(limit), &[])[0].len(), limit);
    assert_eq!(decode(&mut inflating(true, limit), &message(limit + 1), &[]), ["1009"]);
    // 64 MiB in 64 KiB: the allocation stays within the limit.
    let bomb = message(64 << 20);
    assert!(bomb.len() < 70_000);
    let mut out = Vec::new();
    let mut inflater = Inflater::new(true, false);
    inflater.start_stream(0);
    assert_eq!(
        inflater.feed(&deflated(&vec![0; 64 << 20], PARAMS), &mut out, limit, |_| Ok(())),
        Err(ProtocolError::MessageTooBig)
    );
    assert!(out.capacity() <= limit + 1, "{}", out.capacity());
    assert_eq!(decode(&mut inflating(true, limit), &bomb, &[]), ["1009"]);
    // The same message in several reads.
    assert_eq!(decode(&mut inflating(true, limit), &bomb[..1000], &[20, 500]), ["1009"]);
}

#[test]
fn reports_bad_text_before_the_size_limit() {
    let stream = frame(0xc1, &deflated(&[b"ab\xff".as_slice(), &[b'a'; 100]].concat(), PARAMS));
    for cut in 0..=stream.len() {
        assert_eq!(decode(&mut inflating(true, 20), &stream, &[cut]), ["1007"], "cut at {cut}");
    }
}

#[test]
fn limits_the_compressed_size() {
    // Empty blocks produce no output, but count against the compressed size.
    let empty: Vec<u8> = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(60);
    let mut stream = frame(0x42, &empty);
    for _ in 0..10 {
        stream.extend(frame(0x00, &empty));
    }
    assert_eq!(decode(&mut inflating(true, 100), &stream, &[]), ["1009"]);
    // The header already exceeds the limit.
    assert_eq!(decode(&mut inflating(true, 100), &frame(0xc2, &[0; 400])[..8], &[]), ["1009"]);
    // An incompressible message fits.
    let noise: Vec<u8> = (0..1000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let packed = deflated(&noise, DeflateParams { level: 0, ..PARAMS });
    assert!(packed.len() > noise.len());
    assert_eq!(decode(&mut inflating(true, 1000), &frame(0xc2, &packed), &[]).len(), 1);
}

#[test]
fn limits_final_blocks() {
    // Two bytes without output, which reset the decoder.
    let last =
        |times: usize| [&deflated(&[0; 40_000], PARAMS)[..], &TAIL, &[0x03, 0x00].repeat(times)].concat();
    let mut decoder = inflating(true, 1 << 20);
    assert_eq!(decode(&mut decoder, &frame(0xc2, &last(60)), &[])[0].len(), 40_000);
    // The next message has its own limit.
    assert_eq!(decode(&mut decoder, &frame(0xc2, &last(60)), &[])[0].len(), 40_000);
    assert!(decode(&mut decoder, &frame(0xc2, &last(1000)), &[]) == ["1009"]);
    // A large message may have more final blocks.
    let piece = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let filler = [&[0x00, 0x00, 0x08, 0xff, 0xf7][..], &[b'x'; 2048]].concat();
    let large = [&filler[..], &piece].concat().repeat(200);
    assert_eq!(decode(&mut inflating(true, 1 << 20), &frame(0xc2, &large), &[])[0].len(), 200 * 2053);
}

#[test]
fn encodes_the_examples_of_the_rfc() {
    assert_eq!(deflated(b"Hello", PARAMS), HELLO);
    assert_eq!(deflated(b"", PARAMS), [0x00]);
    let mut deflater = Deflater::new(&PARAMS);
    let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
    assert!(deflater.compress(b"Hello", &mut first) && deflater.compress(b"Hello", &mut second));
    assert_eq!((first.as_slice(), second.as_slice()), (HELLO, [0xf2, 0x00, 0x11, 0x00, 0x00].as_slice()));
    assert!(deflater.compress(b"", &mut third));
    assert_eq!(third, [0x00]);

    let mut alone = Deflater::new(&DeflateParams { server_takeover: false, ..PARAMS });
    let text = "Hello".repeat(10);
    let (mut first, mut second) = (b"before".to_vec(), Vec::new());
    assert!(alone.compress(text.as_bytes(), &mut first) && alone.compress(text.as_bytes(), &mut second));
    assert_eq!(first[6..], second);
    // An incompressible message is sent uncompressed.
    assert!(!alone.compress(b"Hello", &mut first));
    assert_eq!(first[6..], second);
}

#[test]
fn holds_codecs_only_while_needed() {
    let mut alone = Deflater::new(&DeflateParams { server_takeover: false, ..PARAMS });
    assert!(alone.compress(&[0; 100], &mut Vec::new()));
    assert!(format!("{alone:?}").contains("holds_codec: false"));
    let mut retaining = Deflater::new(&PARAMS);
    assert!(format!("{retaining:?}").contains("holds_codec: false"));
    assert!(retaining.compress(&[0; 100], &mut Vec::new()));
    assert!(format!("{retaining:?}").contains("holds_codec: true"));
    for (takeover, holds) in [(false, "holds_codec: false"), (true, "holds_codec: true")] {
        let mut inflater = Inflater::new(takeover, false);
        assert!(format!("{inflater:?}").contains("holds_codec: false"));
        inflater.start_stream(0);
        let mut out = Vec::new();
        inflater.feed(HELLO, &mut out, 100, |_| Ok(())).unwrap();
        assert!(format!("{inflater:?}").contains("holds_codec: true"));
        inflater.finish(&mut out, 100, |_| Ok(())).unwrap();
        assert!(format!("{inflater:?}").contains(holds));
    }
}
