//! Work that a few compressed bytes can cause.

mod random;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

use flate2::{Compress, Compression, FlushCompress};
use tokio::io::{AsyncWriteExt, duplex};

use super::peer::frame;
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
