mod stream;

use proptest::prelude::*;

use super::*;
use crate::close::ProtocolError;
use crate::options::Options;
use crate::wire::{Connection, InboundMessage};

/// Maximum length of a skipped frame in these tests.
const LIMIT: usize = 300;

fn connection() -> Connection {
    Connection::new(Options::DEFAULT.into(), Vec::new(), std::time::Instant::now())
}

/// Cuts a stream at the given positions.
fn cut<'a>(stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    ends.extend([0, stream.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect()
}

/// Returns the messages and errors that the engine receives when the decoder translates a stream.
fn decode_all(stream: &[u8], cuts: &[usize]) -> Vec<String> {
    let (mut decoder, mut wire) = (HixieDecoder::new(LIMIT), connection());
    let (mut received, mut unread) = (Vec::new(), Vec::new());
    for piece in cut(stream, cuts) {
        let before = unread.len();
        let was_closed = decoder.is_closed();
        decoder.decode(piece, |part| unread.extend_from_slice(part));
        let len = unread.len() - before;
        assert!(len <= 3 * piece.len() + 16, "{} bytes became {len}", piece.len());
        assert!(
            len > 0 || piece.is_empty() || was_closed || decoder.is_closed(),
            "non-empty input produced no frame"
        );
        let mut input = &mut unread[..];
        while let Some(message) = wire.next_message(&mut input) {
            let InboundMessage::Text(text) = message else { panic!("not text: {message:?}") };
            received.push(text.into_owned());
        }
        unread = input.to_vec();
        if let Some(reason) = wire.close_reason() {
            received.push(format!("{reason:?}"));
            return received;
        }
        assert_eq!(unread, b"", "the output ends with a whole frame");
    }
    received.extend(decoder.take_protocol_error().map(|fault| format!("{fault:?}")));
    received
}

/// Checks the result of a stream cut in two at every position, and cut into single bytes.
#[track_caller]
fn check(stream: &[u8], expect: &[&str]) {
    for at in 0..=stream.len() {
        assert_eq!(decode_all(stream, &[at]), expect, "cut at {at}");
    }
    let every: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(decode_all(stream, &every), expect, "byte by byte");
}

#[test]
fn messages_cut_anywhere() {
    check(b"\x00Hello\xff", &["Hello"]);
    check(b"\x00\xff\x00a\xff\x00\xff", &["", "a", ""]);
    check(
        "\u{0}κό\u{0}σ".as_bytes().iter().copied().chain([0xff]).collect::<Vec<_>>().as_slice(),
        &["κό\u{0}σ"],
    );
    for len in [125, 126, 1000] {
        let text = "x".repeat(len);
        check(&[b"\x00", text.as_bytes(), b"\xff\x00b\xff"].concat(), &[&text, "b"]);
    }
    let large = "x".repeat(70_000);
    assert_eq!(decode_all(&[b"\x00", large.as_bytes(), b"\xff"].concat(), &[]), [large]);
    // A message without its end is incomplete.
    check(b"\x00a\xff\x00b", &["a"]);
}

#[test]
fn close() {
    check(b"\xff\x00", &["Remote(None)"]);
    check(b"\x00a\xff\xff\x00\x00b\xff", &["a", "Remote(None)"]);
    // The length 0 in more bytes than necessary.
    check(b"\xff\x80\x80\x00", &["Remote(None)"]);
    check(b"\xff", &[]);
}

#[test]
fn other_frames_are_skipped() {
    check(b"\x01what\xff\x00a\xff", &["a"]);
    check(b"\x7f\xff\x00a\xff", &["a"]);
    check(b"\x80\x00\x00a\xff", &["a"]);
    check(b"\x80\x03\xff\x00\xff\x00a\xff", &["a"]);
    // Frames of type 0xFF too, unless they are empty.
    check(b"\xff\x02\xff\x00\x00a\xff", &["a"]);
    // 0x81 0x02 is 130.
    check(&[b"\xfe\x81\x02", &[0; 130][..], b"\x00a\xff"].concat(), &["a"]);
}

#[test]
fn frames_that_do_not_end() {
    check(&[b"\x00a\xff\x01", &[b'x'; LIMIT][..], b"\xff\x00b\xff"].concat(), &["a", "b"]);
    check(&[b"\x00a\xff\x01", &[b'x'; LIMIT + 1][..], b"\xff\x00b\xff"].concat(), &["a", "MessageTooBig"]);
    check(&[b"\x80\x82\x2c", &[0; LIMIT][..], b"\x00b\xff"].concat(), &["b"]);
    // The length alone exceeds the limit.
    check(b"\x80\x82\x2d", &["MessageTooBig"]);
    check(b"\x00a\xff\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", &["a", "MessageTooBig"]);
    let endless = r#"BadFrame("length does not end")"#;
    check(&[b"\x80", &[0x80; 9][..]].concat(), &[endless]);
    check(&[b"\xff", &[0x80; 1000][..]].concat(), &[endless]);
    check(&[b"\xff", &[0x80; 8][..], b"\0"].concat(), &["Remote(None)"]);
}

#[test]
fn engine_detects_protocol_errors_in_decoded_frames() {
    check(b"\x00caf\xc3\xff", &["Protocol(BadEncoding)"]);
    let (mut decoder, mut frames) = (HixieDecoder::new(LIMIT), Vec::new());
    let options = Options { max_message_size: 10, ..Options::DEFAULT };
    let mut wire = Connection::new(options.into(), Vec::new(), std::time::Instant::now());
    // The limit applies before the message ends.
    decoder.decode(b"\x0001234", |part| frames.extend_from_slice(part));
    decoder.decode(b"567890", |part| frames.extend_from_slice(part));
    assert!(wire.next_message(&mut &mut frames[..]).is_none());
    assert_eq!(wire.close_reason(), Some(&crate::CloseReason::Protocol(ProtocolError::MessageTooBig)));
}

/// A frame of a client, and its text if it is a text frame.
fn frame() -> impl Strategy<Value = (Vec<u8>, Option<String>)> {
    let text = "[a-zé\u{0}☃]{0,200}";
    prop_oneof![
        4 => text.prop_map(|text| ([b"\x00", text.as_bytes(), b"\xff"].concat(), Some(text))),
        1 => (1..0x80_u8, prop::collection::vec(0..0xff_u8, 0..LIMIT))
            .prop_map(|(kind, bytes)| ([&[kind][..], &bytes, b"\xff"].concat(), None)),
        1 => (0x80..=0xff_u8, prop::collection::vec(any::<u8>(), 1..LIMIT)).prop_map(|(kind, bytes)| {
            let len = [0x80 | (bytes.len() >> 7) as u8, bytes.len() as u8 & 0x7f];
            ([&[kind][..], &len, &bytes].concat(), None)
        }),
    ]
}

/// Returns the messages that a client of the draft reads, up to the close.
fn parse_draft_frames(mut bytes: &[u8]) -> Vec<String> {
    let mut received = Vec::new();
    while let Some((&kind, remaining)) = bytes.split_first() {
        if kind == 0xff {
            assert_eq!(remaining, [0x00], "nothing follows the close");
            received.push("close".into());
            return received;
        }
        assert_eq!(kind, 0x00);
        let end = remaining.iter().position(|byte| *byte == 0xff).expect("the frame has an end");
        received.push(String::from_utf8(remaining[..end].to_vec()).unwrap());
        bytes = &remaining[end + 1..];
    }
    received
}

#[derive(Clone, Debug)]
enum Sent {
    Text(String),
    Binary(usize),
    Ping(usize),
    Close,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn client_text_is_decoded(
        frames in prop::collection::vec(frame(), 0..8),
        closes in any::<bool>(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut stream: Vec<u8> = frames.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let mut expect: Vec<String> = frames.into_iter().filter_map(|(_, text)| text).collect();
        if closes {
            stream.extend(b"\xff\x00and more");
            expect.push("Remote(None)".into());
        }
        prop_assert_eq!(decode_all(&stream, &cuts), expect);
    }

    #[test]
    fn noise_decodes_independently_of_cuts(
        stream in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(b'a')], 0..300),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        prop_assert_eq!(decode_all(&stream, &cuts), decode_all(&stream, &[]));
    }

    #[test]
    fn sent_frames_are_encoded(
        sent in prop::collection::vec(prop_oneof![
            4 => "[a-zé☃]{0,150}".prop_map(Sent::Text),
            1 => (60_000..70_000_usize).prop_map(|len| Sent::Text("x".repeat(len))),
            2 => (0..70_000_usize).prop_map(Sent::Binary),
            1 => (0..126_usize).prop_map(Sent::Ping),
            1 => Just(Sent::Close),
        ], 0..8),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
        max_len in 1..2000_usize,
    ) {
        let (mut wire, mut expect) = (connection(), Vec::new());
        for sent in sent {
            match sent {
                Sent::Text(text) => {
                    wire.text(&text);
                    expect.push(text);
                }
                Sent::Binary(len) => wire.binary(&vec![0; len]),
                Sent::Ping(len) => wire.ping(&vec![0; len]),
                Sent::Close => {
                    wire.close((4000, "a reason").into());
                    expect.push("close".into());
                    break;
                }
            }
        }
        let mut encoder = HixieEncoder::default();
        let mut all = Vec::new();
        for mut piece in cut(&wire.outbox().waiting(), &cuts) {
            while !piece.is_empty() {
                let mut out = Vec::new();
                let taken = encoder.encode(piece, &mut out, max_len);
                prop_assert!(taken > 0 && out.len() <= max_len + 2);
                piece = &piece[taken..];
                all.extend(out);
            }
        }
        prop_assert_eq!(parse_draft_frames(&all), expect);
    }
}

#[test]
fn fragments_of_a_reply_are_one_message() {
    let mut out = Vec::new();
    let frames = b"\x01\x02ab\x89\x01p\x00\x00\x80\x01c\x02\x01x\x80\x01y\x81\x00\x88\x02\x03\xe8\x81\x01z";
    assert_eq!(HixieEncoder::default().encode(frames, &mut out, 1000), frames.len());
    assert_eq!(out, b"\x00abc\xff\x00\xff\xff\x00");
    // An empty message is complete without further input.
    let mut out = Vec::new();
    assert_eq!(HixieEncoder::default().encode(b"\x81\x00", &mut out, 1), 2);
    assert_eq!(out, b"\x00\xff");
}
