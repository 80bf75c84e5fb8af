use std::ops::Range;

#[cfg(feature = "deflate")]
use flate2::{Compress, Compression};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
#[cfg(feature = "deflate")]
use crate::wire::deflate::Inflater;
use crate::wire::testing::frame;
#[cfg(feature = "deflate")]
use crate::wire::testing::peer_deflates;

const MAX_PART: usize = 128 << 10;

/// What a decoder makes of a stream: messages and control frames, and the close code of the error at the end.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    messages: Vec<(MessageKind, Vec<u8>)>,
    /// The control frames, each with the number of messages before it.
    control: Vec<(usize, String)>,
    code: Option<u16>,
    /// The number of parts, and the largest one, in a decoder for parts.
    parts: (usize, usize),
}

/// Decodes a stream that arrives in pieces. Parts are concatenated.
fn decode(mut decoder: Decoder, stream: &[u8], cuts: &[usize]) -> Seen {
    let (mut seen, mut message, mut unread, mut at) = (Seen::default(), None, Vec::new(), 0);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        unread.extend_from_slice(&stream[at..cut]);
        at = cut;
        let mut input = &mut unread[..];
        while !input.is_empty() {
            match decoder.decode(&mut input) {
                Ok(Some(Decoded::Text(text))) => {
                    seen.messages.push((MessageKind::Text, text.into_owned().into_bytes()));
                }
                Ok(Some(Decoded::Binary(bytes))) => {
                    seen.messages.push((MessageKind::Binary, bytes.into_owned()));
                }
                Ok(Some(Decoded::Part(buf))) => {
                    let part = buf.part();
                    assert_eq!(part.is_first(), message.is_none());
                    assert!(part.is_last() || !part.is_empty(), "an empty part");
                    seen.parts = (seen.parts.0 + 1, seen.parts.1.max(part.len()));
                    let (kind, so_far) = message.get_or_insert_with(|| (part.kind(), Vec::new()));
                    assert_eq!(*kind, part.kind());
                    so_far.extend_from_slice(&part);
                    if part.is_last() {
                        seen.messages.extend(message.take());
                    }
                    if let Some(buffer) = buf.into_buffer() {
                        recycle(buffer);
                    }
                }
                Ok(Some(other)) => seen.control.push((seen.messages.len(), format!("{other:?}"))),
                Ok(None) => break,
                Err(error) => {
                    seen.code = Some(error.code().into());
                    return seen;
                }
            }
        }
        unread = input.to_vec();
        assert!(unread.len() < 14 + 125, "{} bytes are left", unread.len());
        assert!(!decoder.takes_parts || decoder.capacity() == 0, "the message is stored");
    }
    seen
}

fn in_parts(mut decoder: Decoder) -> Decoder {
    decoder.deliver_in_parts();
    decoder
}

#[cfg(feature = "deflate")]
fn inflating(max: usize, takeover: bool, per_frame: bool) -> Decoder {
    let mut decoder = Decoder::new(max, true);
    decoder.set_inflater(Inflater::new(takeover, per_frame));
    decoder
}

/// Returns the frames of a message with a ping after each one but the last.
fn fragments(first: u8, payload: &[u8], len: usize) -> Vec<u8> {
    let count = payload.len().div_ceil(len).max(1);
    let mut stream = Vec::new();
    for at in 0..count {
        let (fin, opcode) = (u8::from(at + 1 == count) << 7, if at == 0 { first } else { 0 });
        let range = Range { start: at * len, end: ((at + 1) * len).min(payload.len()) };
        stream.extend(frame(fin | opcode, &payload[range]));
        if fin == 0 {
            stream.extend(frame(0x89, b""));
        }
    }
    stream
}

#[test]
fn message_that_arrives_at_once_is_whole() {
    let mut decoder = in_parts(Decoder::new(usize::MAX, true));
    let mut stream = frame(0x82, &[7; 200]);
    assert_eq!(decoder.decode(&mut &mut stream[..]), Ok(Some(Decoded::Binary((&[7; 200][..]).into()))));
}

#[test]
fn part_of_text_ends_between_characters() {
    let text = "a☃b\u{10ffff}é".as_bytes();
    let stream = frame(0x81, text);
    for cut in 0..=stream.len() {
        for second in cut..=stream.len() {
            let seen = decode(in_parts(Decoder::new(100, true)), &stream, &[cut, second]);
            assert_eq!(seen.messages, [(MessageKind::Text, text.to_vec())], "{cut}, {second}");
        }
    }
}

#[test]
fn incomplete_character_at_the_end_is_an_error() {
    for (validates, code) in [(true, Some(1007)), (false, None)] {
        let stream = [frame(0x01, b"ab"), frame(0x80, b"\xe2\x98")].concat();
        let seen = decode(in_parts(Decoder::new(100, validates)), &stream, &[stream.len() - 1]);
        assert_eq!((seen.code, seen.messages.is_empty()), (code, validates));
    }
}

#[test]
fn end_that_arrives_alone_is_an_empty_part() {
    let stream = [frame(0x02, b"ab"), frame(0x80, b"")].concat();
    let seen = decode(in_parts(Decoder::new(100, true)), &stream, &[]);
    assert_eq!(seen.messages, [(MessageKind::Binary, b"ab".to_vec())]);
    assert_eq!(seen.parts, (2, 2));
}

#[test]
fn limit_holds_for_the_sum_of_the_parts() {
    let stream = [frame(0x02, &[0; 60]), frame(0x00, &[0; 40])].concat();
    assert_eq!(decode(in_parts(Decoder::new(100, true)), &stream, &[30, 80]).code, None);
    assert_eq!(decode(in_parts(Decoder::new(99, true)), &stream, &[30, 80]).code, Some(1009));
}

/// An upload of 46 MB, of which the decoder never stores a byte.
#[test]
fn message_larger_than_memory_is_never_stored() {
    let payload = vec![0x5a; 46 << 20];
    let stream = frame(0x82, &payload);
    let reads: Vec<usize> = (64 << 10..stream.len()).step_by(64 << 10).collect();
    let seen = decode(in_parts(Decoder::new(usize::MAX, true)), &stream, &reads);
    assert!(seen.messages == [(MessageKind::Binary, payload)]);
    assert_eq!(seen.parts, (reads.len() + 1, 64 << 10));
}

#[test]
#[cfg(feature = "deflate")]
fn bomb_is_many_parts() {
    let bomb = vec![0; 64 << 20];
    let mut peer = Compress::new(Compression::best(), false);
    let mut payload = Vec::with_capacity(1 << 20);
    peer.compress_vec(&bomb, &mut payload, flate2::FlushCompress::Sync).unwrap();
    payload.truncate(payload.len() - 4);
    assert!(payload.len() < 100_000, "{} bytes in two reads", payload.len());
    let stream = frame(0xc2, &payload);
    let seen = decode(in_parts(inflating(usize::MAX, true, false)), &stream, &[32 << 10]);
    assert!(seen.messages == [(MessageKind::Binary, bomb)]);
    assert!(seen.parts.0 >= 512 && seen.parts.1 <= MAX_PART, "{:?}", seen.parts);
    // A limit ends the bomb as it would end the message.
    let seen = decode(in_parts(inflating(1 << 20, true, false)), &stream, &[32 << 10]);
    assert_eq!((seen.code, seen.messages.len()), (Some(1009), 0));
}

/// Blocks that refer to output of earlier parts, across final blocks, which reset the codec (RFC 7692 §7.2.3.4).
#[test]
#[cfg(feature = "deflate")]
fn later_parts_refer_to_earlier_ones() {
    // "Hello" in a final block, then the five bytes before, each time in a final block of its own.
    let (hello, again) = ([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], [0xf3, 0x00, 0x11, 0x00]);
    let payload = [&hello[..], &again.repeat(50)].concat();
    let stream = frame(0xc1, &payload);
    let expect = (MessageKind::Text, b"Hello".repeat(51));
    let bytewise: Vec<usize> = (0..stream.len()).collect();
    for cuts in [&[][..], &[stream.len() / 2], &bytewise] {
        let seen = decode(in_parts(inflating(1 << 20, true, false)), &stream, cuts);
        assert!(seen.messages == [expect.clone()], "{cuts:?}: {seen:?}");
    }
}

/// The content of a message: text, text that is not UTF-8, or bytes, and long ones among them.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "\\PC{0,40}".prop_map(String::into_bytes),
        2 => ("[a-dé☃]{1,20}", 1..40_000_usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        1 => ("\\PC{0,40}", any::<Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
            let mut bytes = text.into_bytes();
            bytes.insert(at.index(bytes.len() + 1), byte);
            bytes
        }),
        1 => prop::collection::vec(any::<u8>(), 0..3000),
    ]
}

/// Where a stream of `len` bytes is cut. A read has at most 64 KiB.
fn places(cuts: &[Index], len: usize) -> Vec<usize> {
    let cuts = cuts.iter().map(|cut| cut.index(len + 1));
    let mut places: Vec<usize> = cuts.chain((64 << 10..len).step_by(64 << 10)).collect();
    places.sort_unstable();
    places
}

/// Checks that the parts, concatenated, are the messages of the other decoder, with the same error.
#[track_caller]
fn compare(whole: Decoder, parts: Decoder, stream: &[u8], cuts: &[usize]) {
    let (expect, seen) = (decode(whole, stream, &[]), decode(in_parts(parts), stream, cuts));
    assert_eq!(seen.code, expect.code);
    assert_eq!(seen.control, expect.control);
    assert!(seen.messages == expect.messages, "{:?}", seen.parts);
    assert!(seen.parts.1 <= MAX_PART, "{:?}", seen.parts);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn parts_are_the_message(
        messages in prop::collection::vec((content(), any::<bool>(), 1..70_000_usize), 1..5),
        limit in prop_oneof![Just(usize::MAX), 0..100_000_usize],
        validates in any::<bool>(),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut stream = Vec::new();
        for (content, is_text, fragment) in &messages {
            let fragment = (*fragment).max(content.len() / 50);
            stream.extend(fragments(if *is_text { 1 } else { 2 }, content, fragment));
        }
        let new = || Decoder::new(limit, validates);
        compare(new(), new(), &stream, &places(&cuts, stream.len()));
    }

    #[test]
    #[cfg(feature = "deflate")]
    fn compressed_parts_are_the_message(
        messages in prop::collection::vec((content(), any::<[bool; 2]>(), 1..70_000_usize), 1..5),
        level in 0..=9_u32,
        takeover in any::<bool>(),
        limit in prop_oneof![Just(usize::MAX), 0..100_000_usize],
        damage in prop::option::weighted(0.2, (any::<Index>(), any::<u8>())),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut peer = Compress::new(Compression::new(level), false);
        let mut stream = Vec::new();
        for (content, [is_text, is_compressed], fragment) in &messages {
            let opcode = if *is_text { 1 } else { 2 };
            if !takeover {
                peer.reset();
            }
            let (first, mut payload) = if *is_compressed {
                let mut roomy = content.clone();
                roomy.reserve(content.len());
                (opcode | 0x40, peer_deflates(&mut peer, &roomy))
            } else {
                (opcode, content.clone())
            };
            if let Some((at, byte)) = damage && !payload.is_empty() {
                let at = at.index(payload.len());
                payload[at] ^= byte;
            }
            let fragment = (*fragment).max(payload.len() / 50);
            stream.extend(fragments(first, &payload, fragment));
        }
        let new = || inflating(limit, takeover, false);
        compare(new(), new(), &stream, &places(&cuts, stream.len()));
    }

    /// `x-webkit-deflate-frame`: some frames of a message are compressed, each by itself.
    #[test]
    #[cfg(feature = "deflate")]
    fn parts_of_compressed_frames_are_the_message(
        frames in prop::collection::vec((content(), any::<bool>()), 1..5),
        is_text in any::<bool>(),
        limit in prop_oneof![Just(usize::MAX), 0..100_000_usize],
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut peer = Compress::new(Compression::default(), false);
        let mut stream = Vec::new();
        for (at, (content, is_compressed)) in frames.iter().enumerate() {
            let opcode = if at > 0 { 0 } else if is_text { 1 } else { 2 };
            let fin = u8::from(at + 1 == frames.len()) << 7;
            let payload = if *is_compressed { peer_deflates(&mut peer, content) } else { content.clone() };
            stream.extend(frame(fin | opcode | u8::from(*is_compressed) << 6, &payload));
        }
        let new = || inflating(limit, true, true);
        compare(new(), new(), &stream, &places(&cuts, stream.len()));
    }
}
