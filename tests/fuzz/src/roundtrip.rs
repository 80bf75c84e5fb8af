//! Sends messages through our encoder and other decoders, and through another encoder and our decoder. The
//! messages must be unchanged.

use flate2::{Compress, Compression, Decompress, FlushCompress};
use ws_core::Message;
use ws_core::fuzzing::{Decoder, Deflater, Parameters};

use super::inflate::inflate;
use super::reference::Reference;
use super::support::{Cuts, Input, TAIL, Verdict, decode, fragments};

/// More than the total size of all messages.
const LIMIT: usize = 40_000;

/// Runs the target. `data` holds three bytes of parameters, one of settings, the cuts, the length of fragments, a byte of flushes, the
/// messages.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (level, mem_level, window_bits) = (input.byte() % 10, input.byte() % 9 + 1, input.byte() % 7 + 9);
    let settings = input.byte();
    let (server_takeover, client_takeover) = (settings & 1 == 0, settings & 2 == 0);
    let (cuts, fragment) = (input.cuts(), usize::from(input.byte()) * 16 + 17);
    let flushes = input.byte();
    // The messages are larger than the window.
    let messages = messages(&mut input, (1 << window_bits) + 1500);

    let parameters = Parameters { level, mem_level, window_bits, server_takeover, client_takeover };
    check_encoder(&messages, parameters);
    check_decoder(&messages, parameters, &cuts, fragment, flushes);
}

/// Takes messages, which consist of pieces. A piece is noise, or some bytes that may be repeated. The total size
/// is at most `room`.
fn messages(input: &mut Input<'_>, mut room: usize) -> Vec<Vec<u8>> {
    let (mut messages, mut message) = (Vec::new(), Vec::new());
    while !input.0.is_empty() && messages.len() < 16 {
        let piece = input.byte();
        match piece & 0x3f {
            0x3f => message.extend(noise(input.byte(), input.byte())),
            len => {
                let bytes = input.take(len.into());
                let times = if piece & 0x40 == 0 { 1 } else { input.byte().into() };
                message.extend(bytes.repeat(times));
            }
        }
        message.truncate(room);
        if piece & 0x80 != 0 {
            room -= message.len();
            messages.push(std::mem::take(&mut message));
        }
    }
    messages.push(message);
    messages
}

/// Returns incompressible bytes.
fn noise(seed: u8, len: u8) -> impl Iterator<Item = u8> {
    let mut state = u64::from(seed) + 1;
    (0..usize::from(len) * 64).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
}

/// Checks our encoder: other decoders accept the output, and references stay within the negotiated window.
fn check_encoder(messages: &[Vec<u8>], parameters: Parameters) {
    let takeover = parameters.server_takeover;
    let mut deflater = Deflater::new(parameters);
    let (mut reference, mut peer) = (Reference::default(), Decompress::new(false));
    for message in messages {
        let Some(payload) = deflater.compress(message) else {
            assert!(!takeover, "a later message could refer to this one");
            continue;
        };
        assert!(takeover || message.is_empty() || payload.len() < message.len());
        if !takeover {
            peer.reset(false);
        }
        assert_eq!(reference.inflate(&payload, takeover, LIMIT), (message.clone(), None));
        assert_eq!(&inflate(&mut peer, &payload), message);
        let window = 1 << parameters.window_bits;
        assert!(reference.farthest <= window, "{} of {window} bytes back", reference.farthest);
    }
}

/// Checks our decoder with the output of miniz_oxide, which is flushed at any position.
fn check_decoder(messages: &[Vec<u8>], parameters: Parameters, cuts: &Cuts, fragment: usize, flushes: u8) {
    let mut peer = Compress::new(Compression::new(parameters.level.into()), false);
    let mut stream = Vec::new();
    for message in messages {
        if !parameters.client_takeover {
            peer.reset();
        }
        stream.extend(fragments(0x42, &deflate(&mut peer, message, flushes), fragment));
    }
    let decoder = Decoder::new(LIMIT, true, Some(parameters.client_takeover));
    let expect = messages.iter().cloned().map(Message::from).collect();
    assert_eq!(decode(decoder, LIMIT, &stream, cuts), Verdict { messages: expect, error: None });
}

/// Compresses a message in four parts. Two bits of `flushes` select the flush after each part.
fn deflate(peer: &mut Compress, message: &[u8], mut flushes: u8) -> Vec<u8> {
    let mut out = Vec::new();
    for part in message.chunks(message.len() / 4 + 1) {
        let flush = [FlushCompress::None, FlushCompress::Sync, FlushCompress::Full, FlushCompress::Finish];
        let flush = flush[usize::from(flushes & 3)];
        flushes >>= 2;
        compress(peer, part, flush, &mut out);
        if flush == FlushCompress::Finish {
            peer.reset();
        }
    }
    compress(peer, &[], FlushCompress::Sync, &mut out);
    match out.strip_suffix(&TAIL) {
        Some(payload) => payload.to_vec(),
        // RFC 7692 §7.2.3.4 and §7.2.3.6: an empty block after the final one, or for an empty message.
        None => [&out[..], &[0x00]].concat(),
    }
}

fn compress(peer: &mut Compress, part: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    let start = peer.total_in();
    loop {
        out.reserve(4096);
        let remaining = &part[usize::try_from(peer.total_in() - start).unwrap()..];
        peer.compress_vec(remaining, out, flush).unwrap();
        if peer.total_in() - start == part.len() as u64 && out.len() < out.capacity() {
            return;
        }
    }
}
