//! `x-webkit-deflate-frame`, against an independent encoder and decoder.

use flate2::{Compress as Miniz, Compression, Decompress, FlushCompress, FlushDecompress};
use tests::handshake;

use super::*;

const OFFER: &str = "Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n";

async fn answer(setup: &Setup, path: &str, offer: &str) -> (RawClient, Option<String>) {
    let mut raw = setup.server.raw().await;
    let answer = raw.request(&handshake(path, offer)).await;
    assert_eq!(answer.status, 101);
    (raw, answer.header("sec-websocket-extensions").map(Into::into))
}

/// Returns a masked frame with a zero key.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap();
    let head = match u8::try_from(len) {
        Ok(len @ 0..=125) => vec![first, 0x80 | len],
        _ => [&[first, 0xfe][..], &len.to_be_bytes()].concat(),
    };
    [&head[..], &[0; 4], payload].concat()
}

fn deflated(peer: &mut Miniz, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 200);
    peer.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

/// Returns the first byte and the inflated payload of the next frame.
async fn next(raw: &mut RawClient, peer: &mut Decompress) -> (u8, Vec<u8>) {
    let (first, mut payload) = raw.frame().await.expect("a frame");
    if first & 0x40 != 0 {
        payload.extend([0, 0, 0xff, 0xff]);
        let mut out = Vec::with_capacity(1 << 17);
        peer.decompress_vec(&payload, &mut out, FlushDecompress::Sync).unwrap();
        payload = out;
    }
    (first, payload)
}

#[tokio::test]
async fn negotiated_only_without_permessage_deflate() {
    let setup = setup().await;
    let answers = async |path, offer: &str| {
        let offer = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        answer(&setup, path, &offer).await.1.unwrap_or_default()
    };
    assert_eq!(answers("/demo", "x-webkit-deflate-frame").await, "x-webkit-deflate-frame");
    assert_eq!(answers("/modern", "x-webkit-deflate-frame").await, "");
    let both = "x-webkit-deflate-frame, permessage-deflate";
    assert_eq!(answers("/demo", both).await, "permessage-deflate");
    let unmet = "permessage-deflate; server_max_window_bits=8, x-webkit-deflate-frame; no_context_takeover";
    assert_eq!(answers("/demo", unmet).await, "x-webkit-deflate-frame");
    let modern = format!("{OFFER}x-modern: yes\r\n");
    assert_eq!(answer(&setup, "/demo", &modern).await.1, None);
}

#[tokio::test]
async fn exchanges_compressed_frames() {
    let setup = setup().await;
    for (offer, takeover) in
        [(OFFER.into(), true), (OFFER.replace("frame\r", "frame; no_context_takeover\r"), false)]
    {
        let (mut raw, _) = answer(&setup, "/demo", &offer).await;
        let (mut deflate, mut inflate) = (Miniz::new(Compression::default(), false), Decompress::new(false));
        let text = "so long ".repeat(100);
        for _ in 0..3 {
            // Two compressed frames and an uncompressed one.
            let (one, two) =
                (deflated(&mut deflate, text.as_bytes()), deflated(&mut deflate, text.as_bytes()));
            raw.send([frame(0x41, &one), frame(0x00, b"plain"), frame(0xc0, &two)].concat()).await;
            if !takeover {
                // The server keeps no context between messages.
                inflate = Decompress::new(false);
            }
            let expected = format!("{text}plain{text}");
            assert_eq!(next(&mut raw, &mut inflate).await, (0xc1, expected.into_bytes()));
        }
    }
}

#[tokio::test]
async fn hostile_frames_close_with_their_codes() {
    let setup = setup().await;
    let bomb = deflated(&mut Miniz::new(Compression::best(), false), &vec![0; 20 << 20]);
    let noise = [0xff; 4];
    for (frames, code) in [
        (frame(0xc2, &bomb[..10_000]), 1009_u16),
        ([frame(0x02, b"x"), frame(0x40, &bomb[..10_000])].concat(), 1009),
        (frame(0xc1, &noise), 1007),
        ([frame(0x01, b"x"), frame(0x40, &noise)].concat(), 1007),
        (frame(0xc9, b""), 1002),
        (frame(0xc0, b""), 1002),
        (frame(0xa1, b""), 1002),
    ] {
        let (mut raw, _) = answer(&setup, "/demo", OFFER).await;
        raw.send(frames).await;
        let (first, payload) = next(&mut raw, &mut Decompress::new(false)).await;
        assert_eq!((first, &payload[..2]), (0x88, &code.to_be_bytes()[..]));
    }
}
