//! Random messages and pieces, checked against other encoders and decoders.

use flate2::{Compress as Miniz, Compression, Decompress};
use proptest::prelude::*;
use zlib_rs::{Inflate, InflateFlush};

use super::*;
use crate::wire::testing::{peer_deflates, peer_inflates};

/// Messages of different compressibility.
pub(super) fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-d]{0,80}".prop_map(String::into_bytes),
        ("[a-z ]{1,20}", 1..3000_usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        prop::collection::vec(any::<u8>(), 0..3000),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn other_decoders_accept_the_output(
        messages in prop::collection::vec(message(), 1..6),
        level in 0..=9_u8,
        mem_level in 1..=9_u8,
        window_bits in 9..=15_u8,
        server_takeover in any::<bool>(),
    ) {
        let params = DeflateParams { level, mem_level, window_bits, server_takeover, ..PARAMS };
        let mut deflater = Deflater::new(&params);
        let mut peer = Decompress::new(false);
        // Decoding byte by byte, this decoder remembers only its window.
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
    fn accepts_the_output_of_other_encoders(
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
    fn noise_yields_an_error_or_a_message(
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
