//! Work that a few compressed bytes can cause.

mod random;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

use flate2::{Compress, Compression, FlushCompress};
use tokio::io::{AsyncWriteExt, duplex};

use super::peer::{Peer, frame};
use crate::clock::now;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::handler::Handler;
use crate::prelude::*;
use crate::wire::{Connection, DeflateParams};

/// Handler that counts messages.
#[websocket]
struct Counts(Arc<AtomicUsize>);

#[websocket]
impl Counts {
    #[on_binary]
    fn binary(&mut self, bytes: &[u8]) {
        assert_eq!(bytes.len(), 1 << 20);
        self.0.fetch_add(1, Relaxed);
    }
}

const AGREED: DeflateParams = DeflateParams {
    level: 6,
    mem_level: 8,
    window_bits: 15,
    server_takeover: true,
    client_takeover: false,
    min_size: 0,
    per_frame: false,
};

/// Compresses a mebibyte of zeros to a message of about a kibibyte.
fn message() -> Vec<u8> {
    let mut payload = Vec::with_capacity(4096);
    let mut codec = Compress::new(Compression::best(), false);
    codec.compress_vec(&vec![0; 1 << 20], &mut payload, FlushCompress::Sync).unwrap();
    payload.truncate(payload.len() - 4);
    frame(0xc2, &payload)
}

#[tokio::test]
async fn highly_compressed_messages_do_not_block_the_thread() {
    let (mut client, server) = duplex(1 << 20);
    let wire = Connection::new(Arc::new(Counts::CHECKED_DECLARATION.options), Vec::new(), now())
        .with_compression(Some(AGREED));
    let seen = Arc::new(AtomicUsize::new(0));
    client.write_all(&message().repeat(60)).await.unwrap();
    tokio::spawn(run(Counts(Arc::clone(&seen)), Cx::new(wire, None, None), server, None));
    // A task that is always ready runs after each poll of the connection.
    let (mut before, mut most) = (0, 0);
    let neighbour = poll_fn(move |task| {
        let now = seen.load(Relaxed);
        most = most.max(now - before);
        before = now;
        task.waker().wake_by_ref();
        if now < 60 { Poll::Pending } else { Poll::Ready(most) }
    });
    let most = tokio::spawn(neighbour).await.unwrap();
    // One message is one iteration.
    assert!(most <= 16, "{most} mebibytes in one poll");
}

/// A handler that sends each line of the text as a part.
#[websocket]
struct Lines;

#[websocket]
impl Lines {
    #[on_text]
    async fn lines(&mut self, text: String, cx: &mut Context<Self>) -> std::io::Result<()> {
        let mut message = cx.send_parts(MessageKind::Text);
        for line in text.lines() {
            message.write(line.as_bytes()).await?;
            tokio::task::yield_now().await;
        }
        message.finish().await
    }
}

/// All fragments of a message are one compressed stream, and each can be decompressed when it arrives. The next
/// message may refer to it.
#[tokio::test]
async fn parts_are_compressed_across_fragments() {
    for (server_takeover, per_frame) in [(true, false), (false, false), (true, true)] {
        let agreed = DeflateParams { server_takeover, per_frame, ..AGREED };
        let wire = Connection::new(Arc::new(Lines::CHECKED_DECLARATION.options), Vec::new(), now());
        let wire = wire.with_compression(Some(agreed));
        let (log, (client, server)) = (tokio::sync::mpsc::unbounded_channel().1, duplex(1 << 20));
        let task = tokio::spawn(run(Lines, Cx::new(wire, None, None), server, None));
        let mut peer = Peer { io: client, log, task, connections: Arc::default() };
        let mut codec = flate2::Decompress::new(false);
        for _ in 0..2 {
            peer.send("hello hello hello\nhello again\nhello").await;
            let expected = ["hello hello hello", "hello again", "hello", ""];
            for (at, line) in expected.into_iter().enumerate() {
                let (first, payload) = peer.fragment().await.unwrap();
                let (fin, opcode) = (u8::from(at == 3) << 7, u8::from(at == 0));
                let rsv = u8::from(at == 0 && !per_frame) << 6;
                assert_eq!(first, fin | rsv | opcode, "fragment {at}");
                let mut text = Vec::with_capacity(1000);
                if per_frame {
                    text = payload;
                } else {
                    let tail: &[u8] = if at == 3 { &[0, 0, 0xff, 0xff] } else { &[] };
                    let payload = [&payload, tail].concat();
                    codec.decompress_vec(&payload, &mut text, flate2::FlushDecompress::Sync).unwrap();
                }
                assert_eq!(String::from_utf8(text).unwrap(), line);
            }
            if !server_takeover {
                codec.reset(false);
            }
        }
    }
}
