use std::borrow::Cow;
use std::time::Instant;

use flate2::{Compress as Miniz, Compression, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;
use zlib_rs::{Inflate, InflateFlush};

use super::*;
use crate::close::{CloseReason, Fault};
use crate::options::Options;
use crate::wire::decoder::{Decoded, Decoder};
use crate::wire::testing::frame;
use crate::wire::{Connection, Incoming};

const AGREED: Agreed = Agreed {
    level: 6,
    mem_level: 8,
    window_bits: 15,
    server_takeover: true,
    client_takeover: true,
    min_size: 0,
};

fn inflating(takeover: bool, max: usize) -> Decoder {
    let mut decoder = Decoder::new(max, true);
    decoder.set_inflater(Inflater::new(takeover));
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

/// What a decoder makes of a stream that is cut into pieces.
fn decode(decoder: &mut Decoder, stream: &[u8], cuts: &[usize]) -> Vec<String> {
    let (mut seen, mut held, mut at) = (Vec::new(), Vec::new(), 0);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        held.extend_from_slice(&stream[at..cut]);
        at = cut;
        let mut input = &mut held[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(decoded)) => seen.push(describe(&decoded)),
                Ok(None) => break,
                Err(fault) => {
                    seen.push(u16::from(fault.code()).to_string());
                    return seen;
                }
            }
        }
        held = input.to_vec();
    }
    seen
}

/// Every way to cut the stream in two, and byte by byte, gives the same.
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
fn examples_of_the_rfc() {
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
    // §7.2.3.4: a final block; what follows it may refer to it.
    let last = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    check(&[(0xc1, last), (0xc1, last)], &["Hello", "Hello"]);
    check(&[(0xc1, last), (0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])], &["Hello", "Hello"]);
    check(&[(0xc2, &[&last[..7], HELLO].concat())], &["HelloHello"]);
    // §7.2.3.5: two blocks.
    let two = &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    check(&[(0xc1, two)], &["Hello"]);
    // §7.2.3.6: nothing.
    check(&[(0xc1, &[0x00]), (0xc1, HELLO)], &["", "Hello"]);
}

#[test]
fn messages_that_some_peers_send() {
    // Nothing at all for nothing, and no tail behind a final block.
    check(&[(0xc1, b""), (0xc1, HELLO)], &["", "Hello"]);
    check(&[(0x41, b""), (0x80, b""), (0xc1, HELLO)], &["", "Hello"]);
    check(&[(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), (0xc1, HELLO)], &["Hello", "Hello"]);
    // The empty block at the end says that it is the last.
    check(&[(0xc1, &[0x01]), (0xc1, HELLO)], &["", "Hello"]);
}

#[test]
fn garbage_closes_with_1007() {
    check(&[(0xc1, &[0xff, 0xff, 0xff])], &["1007"]);
    check(&[(0xc1, HELLO), (0xc1, &[0x06, 0x00])], &["Hello", "1007"]);
    // Every end that is too early.
    for len in 1..HELLO.len() {
        check(&[(0xc1, &HELLO[..len])], &["1007"]);
    }
    let stored = &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    for len in 2..stored.len() {
        check(&[(0xc1, &stored[..len])], &["1007"]);
    }
    // What refers to what never was.
    check(&[(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])], &["1007"]);
    // Behind a final block.
    check(&[(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xff])], &["1007"]);
}

#[test]
fn without_takeover_nothing_is_referred_to() {
    let again = [frame(0xc1, HELLO), frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])].concat();
    assert_eq!(decode(&mut inflating(false, 100), &again, &[]), ["Hello", "1007"]);
}

#[test]
fn text_is_validated_as_it_inflates() {
    let bad = deflated(&[b"ab\xff".as_slice(), &[b'a'; 1000]].concat(), AGREED);
    check(
        &[(0xc2, &bad), (0xc1, &bad)],
        &[&String::from_utf8_lossy(&[b"ab\xff".as_slice(), &[b'a'; 1000]].concat()), "1007"],
    );
    // The end is not waited for.
    let mut stream = frame(0x41, &bad);
    stream.truncate(stream.len() - 3);
    assert_eq!(decode(&mut inflating(true, 1 << 20), &stream, &[]), ["1007"]);
    let half = deflated(b"caf\xc3", AGREED);
    check(&[(0xc1, &half)], &["1007"]);
    let mut decoder = Decoder::new(100, false);
    decoder.set_inflater(Inflater::new(true));
    assert_eq!(decode(&mut decoder, &frame(0xc1, &half), &[]), ["caf\u{fffd}"]);
}

#[test]
fn reserved_bits_where_they_mean_nothing() {
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

fn deflated(message: &[u8], agreed: Agreed) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(Deflater::new(&agreed).compress(message, &mut out));
    out
}

#[test]
fn inflated_size_is_counted_while_it_inflates() {
    let limit = 100_000;
    let message = |len| frame(0xc2, &deflated(&vec![b'x'; len], AGREED));
    assert_eq!(decode(&mut inflating(true, limit), &message(limit), &[])[0].len(), limit);
    assert_eq!(decode(&mut inflating(true, limit), &message(limit + 1), &[]), ["1009"]);
    // 64 MiB in 64 KiB: what is allocated is what may be there.
    let bomb = message(64 << 20);
    assert!(bomb.len() < 70_000);
    let mut out = Vec::new();
    let mut inflater = Inflater::new(true);
    inflater.begin();
    assert_eq!(
        inflater.feed(&deflated(&vec![0; 64 << 20], AGREED), &mut out, limit, |_| Ok(())),
        Err(Fault::TooBig)
    );
    assert!(out.capacity() <= limit + 1, "{}", out.capacity());
    assert_eq!(decode(&mut inflating(true, limit), &bomb, &[]), ["1009"]);
    // Cut by TCP, it is not taken to its end either.
    assert_eq!(decode(&mut inflating(true, limit), &bomb[..1000], &[20, 500]), ["1009"]);
}

#[test]
fn compressed_size_is_bounded_too() {
    // Blocks of nothing make no message larger, but they end.
    let empty: Vec<u8> = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(60);
    let mut stream = frame(0x42, &empty);
    for _ in 0..10 {
        stream.extend(frame(0x00, &empty));
    }
    assert_eq!(decode(&mut inflating(true, 100), &stream, &[]), ["1009"]);
    // Known from the header.
    assert_eq!(decode(&mut inflating(true, 100), &frame(0xc2, &[0; 400])[..8], &[]), ["1009"]);
    // What does not compress has its room.
    let noise: Vec<u8> = (0..1000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let packed = deflated(&noise, Agreed { level: 0, ..AGREED });
    assert!(packed.len() > noise.len());
    assert_eq!(decode(&mut inflating(true, 1000), &frame(0xc2, &packed), &[]).len(), 1);
}

#[test]
fn sent_as_the_rfc_says() {
    assert_eq!(deflated(b"Hello", AGREED), HELLO);
    assert_eq!(deflated(b"", AGREED), [0x00]);
    let mut deflater = Deflater::new(&AGREED);
    let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
    assert!(deflater.compress(b"Hello", &mut first) && deflater.compress(b"Hello", &mut second));
    assert_eq!((first.as_slice(), second.as_slice()), (HELLO, [0xf2, 0x00, 0x11, 0x00, 0x00].as_slice()));
    assert!(deflater.compress(b"", &mut third));
    assert_eq!(third, [0x00]);

    let mut alone = Deflater::new(&Agreed { server_takeover: false, ..AGREED });
    let text = "Hello".repeat(10);
    let (mut first, mut second) = (b"before".to_vec(), Vec::new());
    assert!(alone.compress(text.as_bytes(), &mut first) && alone.compress(text.as_bytes(), &mut second));
    assert_eq!(first[6..], second);
    // What gets no smaller goes as it is.
    assert!(!alone.compress(b"Hello", &mut first));
    assert_eq!(first[6..], second);
}

#[test]
fn codecs_are_there_while_they_are_needed() {
    let mut alone = Deflater::new(&Agreed { server_takeover: false, ..AGREED });
    assert!(alone.compress(&[0; 100], &mut Vec::new()));
    assert!(format!("{alone:?}").contains("holds_codec: false"));
    let mut kept = Deflater::new(&AGREED);
    assert!(format!("{kept:?}").contains("holds_codec: false"));
    assert!(kept.compress(&[0; 100], &mut Vec::new()));
    assert!(format!("{kept:?}").contains("holds_codec: true"));
    for (takeover, holds) in [(false, "holds_codec: false"), (true, "holds_codec: true")] {
        let mut inflater = Inflater::new(takeover);
        assert!(format!("{inflater:?}").contains("holds_codec: false"));
        inflater.begin();
        let mut out = Vec::new();
        inflater.feed(HELLO, &mut out, 100, |_| Ok(())).unwrap();
        assert!(format!("{inflater:?}").contains("holds_codec: true"));
        inflater.finish(&mut out, 100, |_| Ok(())).unwrap();
        assert!(format!("{inflater:?}").contains(holds));
    }
}

/// What a client that was written by somebody else makes of a payload.
fn peer_inflates(peer: &mut Decompress, payload: &[u8]) -> Vec<u8> {
    let input = [payload, &TAIL].concat();
    let mut out = Vec::new();
    let start = peer.total_in();
    loop {
        out.reserve(4096);
        let at = usize::try_from(peer.total_in() - start).unwrap();
        peer.decompress_vec(&input[at..], &mut out, FlushDecompress::Sync).unwrap();
        if peer.total_in() - start == input.len() as u64 && out.len() < out.capacity() {
            return out;
        }
    }
}

/// And the other way.
fn peer_deflates(peer: &mut Miniz, message: &[u8]) -> Vec<u8> {
    if message.is_empty() {
        return vec![0x00];
    }
    let mut out = Vec::with_capacity(message.len() + 200);
    peer.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    assert!(out.ends_with(&TAIL));
    out.truncate(out.len() - 4);
    out
}

/// Messages that compress more or less.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-d]{0,80}".prop_map(String::into_bytes),
        ("[a-z ]{1,20}", 1..3000_usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        prop::collection::vec(any::<u8>(), 0..3000),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn others_understand_what_is_sent(
        messages in prop::collection::vec(message(), 1..6),
        level in 0..=9_u8,
        mem_level in 1..=9_u8,
        window_bits in 9..=15_u8,
        server_takeover in any::<bool>(),
    ) {
        let agreed = Agreed { level, mem_level, window_bits, server_takeover, ..AGREED };
        let mut deflater = Deflater::new(&agreed);
        let mut peer = Decompress::new(false);
        // Byte by byte, a decoder remembers no more than its window.
        let mut narrow = Inflate::new(false, window_bits);
        for message in messages {
            let mut payload = Vec::new();
            if !deflater.compress(&message, &mut payload) {
                prop_assert!(!server_takeover && payload.is_empty());
                continue;
            }
            if !server_takeover {
                peer = Decompress::new(false);
                narrow.reset(false);
                narrow = Inflate::new(false, window_bits);
            }
            prop_assert_eq!(&peer_inflates(&mut peer, &payload), &message);
            let input = [&payload[..], &TAIL].concat();
            let (start, mut out) = (narrow.total_in(), Vec::new());
            while out.len() < message.len() {
                let mut byte = [0];
                let (at, had) = (usize::try_from(narrow.total_in() - start).unwrap(), narrow.total_out());
                narrow.decompress(&input[at..], &mut byte, InflateFlush::SyncFlush).unwrap();
                prop_assert!(narrow.total_out() > had);
                out.extend(byte);
            }
            let at = usize::try_from(narrow.total_in() - start).unwrap();
            narrow.decompress(&input[at..], &mut [0], InflateFlush::SyncFlush).unwrap();
            prop_assert_eq!(out, message);
        }
    }

    #[test]
    fn what_others_send_is_understood(
        messages in prop::collection::vec(message(), 1..6),
        level in 0..=9_u32,
        takeover in any::<bool>(),
        fragment in 1..2000_usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut peer = Miniz::new(Compression::new(level), false);
        let (mut stream, mut expect) = (Vec::new(), Vec::new());
        for message in messages {
            if !takeover {
                peer.reset();
            }
            let payload = peer_deflates(&mut peer, &message);
            let parts: Vec<&[u8]> = payload.chunks(fragment).collect();
            for (at, part) in parts.iter().enumerate() {
                let first = if at == 0 { 0x42 } else { 0x00 };
                let fin = if at + 1 == parts.len() { 0x80 } else { 0x00 };
                stream.extend(frame(first | fin, part));
            }
            expect.push(String::from_utf8_lossy(&message).into_owned());
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(decode(&mut inflating(takeover, 1 << 20), &stream, &cuts), expect);
    }

    #[test]
    fn noise_ends_in_a_fault_or_a_message(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = frame(0xc2, &payload);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = decode(&mut inflating(true, 10_000), &stream, &[]);
        prop_assert_eq!(whole.len(), 1);
        prop_assert_eq!(decode(&mut inflating(true, 10_000), &stream, &cuts), whole);
    }
}

fn connection(change: impl FnOnce(&mut Options)) -> Connection {
    let mut options = Options::DEFAULT;
    change(&mut options);
    Connection::new(options.into(), Vec::new(), Instant::now()).compressed(Some(AGREED))
}

#[test]
fn what_is_read_ahead_counts_as_it_inflates() {
    let mut wire = connection(|options| options.read_ahead = 10_000);
    let message = frame(0xc2, &deflated(&[0; 4000], AGREED));
    let mut input = message.repeat(100);
    let used = wire.read_ahead(&mut input);
    assert_eq!(used, 3 * message.len(), "two fit, and the last one may exceed it");
    for _ in 0..3 {
        let Some(Incoming::Binary(bytes)) = wire.next_ahead() else { panic!("a message") };
        // It is kept in memory of its own, not in what was lent to inflate it.
        assert!(matches!(&bytes, Cow::Owned(bytes) if bytes.len() == 4000 && bytes.capacity() <= 8000));
    }
    assert_eq!(wire.next_ahead(), None);
}

#[test]
fn outbox_counts_what_is_queued() {
    let mut wire = connection(|options| options.outbox_limit = 1000);
    for _ in 0..20 {
        wire.binary(&[0; 4000]);
    }
    assert!(wire.is_open() && wire.outbox().len() < 1000);
    wire.set_compress(false);
    wire.binary(&[0; 4000]);
    assert_eq!(wire.reason(), Some(&CloseReason::Overflow));
    let waiting = wire.outbox().len();
    wire.text("after the end");
    assert_eq!(wire.outbox().len(), waiting);
}

#[test]
fn buffers_come_back_to_the_thread() {
    let mut wire = connection(|_| {});
    let mut input = frame(0xc1, &deflated(&[b'a'; 4000], AGREED));
    let message = wire.next(&mut &mut input[..]).unwrap();
    let Incoming::Text(Cow::Owned(text)) = &message else { panic!("text of its own") };
    let place = text.as_ptr();
    message.release();
    let buffer = Scratch::Inflated.take();
    assert_eq!(buffer.as_ptr(), place);
    Scratch::Inflated.give_back(buffer);
}

#[test]
fn what_crosses_the_close_frame_is_not_inflated() {
    let mut wire = connection(|_| {});
    let message = frame(0xc2, &deflated(&[0; 4000], AGREED));
    let mut input = message.clone();
    assert!(wire.next(&mut &mut input[..]).is_some());
    let cut = deflated("Hell\u{f6}".repeat(100).as_bytes(), AGREED);
    assert!(wire.next(&mut &mut frame(0x41, &cut[..8])[..]).is_none());
    assert!(format!("{wire:?}").contains("holds_codec: true"));
    wire.close(1000.into());
    assert!(!format!("{wire:?}").contains("holds_codec: true"));
    // Not even what is no stream at all, nor the rest of what had begun.
    let mut crossing = [frame(0x80, b"x"), message, frame(0xc1, &[0xff; 9]), frame(0x88, &[3, 232])].concat();
    wire.read_ahead(&mut crossing);
    assert!(wire.is_finished() && format!("{wire:?}").contains("holds_codec: false"));
}
