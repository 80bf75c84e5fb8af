//! Random messages, cut at random places, with random parts sent back over random streams.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use super::peer::{frame, options};
use crate::clock::now;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::prelude::*;
use crate::transport::{RuntimeTimer, Transport};
use crate::wire::Connection;

/// A source of numbers that depend on its seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    /// Returns a size that is usually small.
    pub(super) fn size(&mut self) -> usize {
        let most = [200, 6000, 20_000, 90_000, 400_000][self.below(5)];
        self.below(most)
    }
}

/// Returns the parts of a message to send back: start, end, and kind of reply.
fn plan(bytes: &[u8]) -> Vec<(usize, usize, usize)> {
    let sum = bytes
        .iter()
        .take(64)
        .fold(bytes.len() as u64, |sum, byte| sum * 31 % 1_000_000_007 + u64::from(*byte));
    let mut random = Random(sum);
    (0..random.below(5))
        .map(|_| {
            let start = random.below(bytes.len() + 1);
            let start = if random.below(3) == 0 { 0 } else { start };
            let end = start + random.below(bytes.len() - start + 1);
            let end = if random.below(3) == 0 { bytes.len() } else { end };
            (start, end, random.below(4))
        })
        .collect()
}

#[websocket(max_message_size = 1MiB, outbox_limit = 1GiB)]
struct Parts;

fn answer<H: crate::handler::Handler<Protocol = crate::reply::AnyReply>>(bytes: &[u8], cx: &mut Context<H>) {
    for (start, end, how) in plan(bytes) {
        let part = &bytes[start..end];
        match how {
            0 => cx.send(part.to_vec()),
            1 => cx.send(Bytes::copy_from_slice(part)),
            _ => cx.send(part),
        }
    }
}

#[websocket]
impl Parts {
    #[on_binary]
    fn binary(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        answer(bytes, cx);
    }

    #[on_text]
    async fn text(&mut self, text: &str, cx: &mut Context<Self>) {
        answer(text.as_bytes(), cx);
        for _ in 0..text.len() % 4 {
            tokio::task::yield_now().await;
        }
        answer(text.as_bytes(), cx);
    }
}

/// A stream that reads and writes random numbers of bytes. The last value is whether it has vectored writes.
pub(super) struct RandomStream(pub(super) DuplexStream, pub(super) Random, pub(super) bool);

impl Transport for RandomStream {
    type Timer = RuntimeTimer;
}

impl AsyncRead for RandomStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.1.below(4) == 0 {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Every other read takes everything, so that complete messages arrive in one read.
        let most = if self.1.below(2) == 0 { usize::MAX } else { 1 + self.1.size() };
        let room = to.initialize_unfilled();
        let most = most.min(room.len());
        let mut part = ReadBuf::new(&mut room[..most]);
        let poll = Pin::new(&mut self.0).poll_read(task, &mut part);
        let len = part.filled().len();
        to.advance(len);
        poll
    }
}

impl AsyncWrite for RandomStream {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.poll_write_vectored(task, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        if self.1.below(3) == 0 {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        let most = 1 + self.1.size();
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(most).collect();
        Pin::new(&mut self.0).poll_write(task, &bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.2
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}

pub(super) async fn reply(io: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let first = io.read_u8().await.unwrap();
    let len = match io.read_u8().await.unwrap() {
        126 => usize::from(io.read_u16().await.unwrap()),
        127 => usize::try_from(io.read_u64().await.unwrap()).unwrap(),
        short => usize::from(short),
    };
    let mut payload = vec![0; len];
    io.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

async fn try_one(seed: u64) {
    let mut random = Random(seed * 7919 + 13);
    // Half of the streams deliver complete messages, whose replies borrow from the read buffer.
    let is_whole = seed % 2 == 1;
    let (client, server) = duplex([500, 9000, 70_000, 1 << 20][if is_whole { 3 } else { random.below(4) }]);
    let options = Arc::new(options::<Parts>(|options| {
        options.outbox_high_water = [1, 5000, 64 << 10, 1 << 30][if is_whole { 3 } else { random.below(4) }];
        options.read_ahead = [0, 5000, 64 << 10, 1 << 30][random.below(4)];
    }));
    let wire = Connection::new(options, Vec::new(), now());
    #[cfg(feature = "deflate")]
    let wire = wire.with_compression((random.below(2) == 0).then_some(crate::wire::DeflateParams {
        level: 1,
        mem_level: 8,
        window_bits: 15,
        server_takeover: false,
        client_takeover: false,
        min_size: usize::MAX,
        per_frame: random.below(2) == 0,
    }));
    let is_vectored = random.below(5) > 0;
    let cx = Cx::new(wire, None, None);
    let task = tokio::spawn(run(Parts, cx, RandomStream(server, Random(seed), is_vectored), None));
    let (mut stream, mut expect) = (Vec::new(), Vec::new());
    for n in 0..4 + random.below(12) {
        let len = if is_whole { random.below(20_000) } else { random.size() };
        let is_text = !is_whole && random.below(3) == 0;
        let message: Vec<u8> = (0..len).map(|i| b'a' + ((i * 7 + n * 5 + i / 256) % 25) as u8).collect();
        let mut rest = &message[..];
        let mut first = if is_text { 1 } else { 2 };
        loop {
            let len =
                if is_whole || random.below(2) == 0 { rest.len() } else { random.size().min(rest.len()) };
            let part = rest.split_off(..len).unwrap();
            let is_last = rest.is_empty();
            stream.extend(frame(first | if is_last { 0x80 } else { 0 }, part));
            first = 0;
            if is_last {
                break;
            }
            if random.below(3) == 0 {
                stream.extend(frame(0x89, b"ping"));
            }
        }
        for _ in 0..if is_text { 2 } else { 1 } {
            for (start, end, _) in plan(&message) {
                expect.push(message[start..end].to_vec());
            }
        }
    }
    stream.extend(frame(0x88, &1000_u16.to_be_bytes()));
    let (mut read, mut write) = tokio::io::split(client);
    let (mut cuts, is_cut) = (Random(seed + 1), !is_whole);
    let writer = tokio::spawn(async move {
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let len = if is_cut { 1 + cuts.size() } else { rest.len() }.min(rest.len());
            write.write_all(rest.split_off(..len).unwrap()).await.unwrap();
            if cuts.below(2) == 0 {
                tokio::task::yield_now().await;
            }
        }
        write
    });
    let mut expect = expect.into_iter();
    loop {
        let (first, got) = reply(&mut read).await;
        match first {
            0x8a => assert_eq!(got, b"ping", "seed {seed}"),
            0x82 => {
                let part = expect.next().expect("an expected part");
                assert!(got == part, "seed {seed}: {} bytes for {}", got.len(), part.len());
            }
            0x88 => break,
            other => panic!("seed {seed}: {other:x}"),
        }
    }
    assert_eq!(expect.next(), None, "seed {seed}");
    drop((read, writer.await.unwrap()));
    assert!(matches!(task.await.unwrap(), CloseReason::Remote(_)), "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn every_part_arrives_in_order() {
    for seed in 0..24 {
        try_one(seed).await;
    }
}
