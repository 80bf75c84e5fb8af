//! Reads and writes of an echo: their number, and the bytes, which are those of a simple encoder.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::task::yield_now;

use super::large_messages_random::{Random, RandomStream};
use super::peer::{frame, options};
use crate::clock::now;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::handler::Handler;
use crate::prelude::*;
use crate::sync::lock;
use crate::transport::{RuntimeTimer, Transport};
use crate::wire::Connection;

/// Handler that echoes messages, and half of those that begin with `h`.
#[websocket(max_message_size = 2MiB, outbox_limit = 1GiB)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        if text.starts_with('h') { &text[text.len() / 2..] } else { text }
    }

    #[on_binary]
    fn binary<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if bytes.starts_with(b"h") { &bytes[bytes.len() / 2..] } else { bytes }
    }
}

/// Like [`Echo`], but message by message in parts.
#[websocket(outbox_limit = 1GiB)]
struct EchoParts;

#[websocket]
impl EchoParts {
    #[on_part]
    fn part(&mut self, part: Part<'_>, cx: &mut Context<Self>) {
        cx.send(part.bytes());
    }
}

/// A read or a write that moved bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Io {
    Read(usize),
    Write(usize),
    /// The number of slices.
    WriteVectored(usize),
}

/// A stream that lists its reads and writes.
struct Listed(DuplexStream, Arc<Mutex<Vec<Io>>>);

impl Transport for Listed {
    type Timer = RuntimeTimer;
}

impl AsyncRead for Listed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let poll = Pin::new(&mut self.0).poll_read(task, to);
        if poll.is_ready() {
            lock(&self.1).push(Io::Read(to.filled().len()));
        }
        poll
    }
}

impl AsyncWrite for Listed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        lock(&self.1).push(Io::Write(bytes.len()));
        Pin::new(&mut self.0).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        lock(&self.1).push(Io::WriteVectored(slices.len()));
        Pin::new(&mut self.0).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}

/// Sends `stream` in one piece and returns the reads and writes of the server, which has to answer with `expect`.
async fn listed(stream: &[u8], expect: &[u8]) -> Vec<Io> {
    let (mut client, server) = duplex(8 << 20);
    let list = Arc::<Mutex<Vec<Io>>>::default();
    let cx = Cx::new(Connection::new(options::<Echo>(|_| {}).into(), Vec::new(), now()), None, None);
    tokio::spawn(run(Echo, cx, Listed(server, list.clone()), None));
    client.write_all(stream).await.unwrap();
    let mut got = vec![0; expect.len()];
    client.read_exact(&mut got).await.unwrap();
    assert!(got == expect, "{} bytes", expect.len());
    lock(&list).clone()
}

fn content(first: u8, len: usize) -> Vec<u8> {
    let mut content: Vec<u8> = (0..len).map(|i| b'a' + (i * 7 % 23 + i / 256) as u8 % 25).collect();
    if let Some(byte) = content.first_mut() {
        *byte = first;
    }
    content
}

/// Encodes a frame of the server.
fn encoded(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(len as u8),
        len @ 126..=0xffff => {
            out.push(126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

#[tokio::test(start_paused = true)]
async fn echo_of_a_message_in_the_read_buffer_is_one_contiguous_write() {
    for (first, len) in [(b'a', 4096), (b'h', 8192), (b'a', 16 << 10), (b'h', 60_000), (b'a', 65_000)] {
        for opcode in [0x81, 0x82] {
            let content = content(first, len);
            let reply = if first == b'h' { &content[len / 2..] } else { &content[..] };
            let (stream, expect) = (frame(opcode, &content), encoded(opcode, reply));
            let io = listed(&stream, &expect).await;
            assert_eq!(io, [Io::Read(stream.len()), Io::Write(expect.len())]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pong_before_and_a_message_behind_are_written_with_the_echo() {
    let content = content(b'a', 16 << 10);
    let stream = [frame(0x89, b"ping"), frame(0x82, &content)].concat();
    let expect = [encoded(0x8a, b"ping"), encoded(0x82, &content)].concat();
    assert_eq!(listed(&stream, &expect).await[1..], [Io::Write(expect.len())]);
    let stream = [frame(0x82, &content), frame(0x81, b"behind")].concat();
    let expect = [encoded(0x82, &content), encoded(0x81, b"behind")].concat();
    assert_eq!(listed(&stream, &expect).await[1..], [Io::WriteVectored(3)]);
}

#[tokio::test(start_paused = true)]
async fn last_read_of_a_large_message_takes_all_that_arrived() {
    let content = content(b'a', 1 << 20);
    for behind in [&b""[..], b"behind"] {
        let mut stream = frame(0x82, &content);
        let mut expect = encoded(0x82, &content);
        if !behind.is_empty() {
            stream.extend(frame(0x81, behind));
            expect.extend(encoded(0x81, behind));
        }
        // Without a buffer of the thread, the message's own grows with the bytes that arrive.
        let _ = listed(&stream, &expect).await;
        let reads = listed(&stream, &expect).await.into_iter().filter(|io| matches!(io, Io::Read(_)));
        let rest = stream.len() - (64 << 10) - (512 << 10);
        assert!(reads.eq([64 << 10, 512 << 10, rest].map(Io::Read)));
    }
}

/// Sends random messages in random pieces over a random stream, to a handler that echoes.
async fn try_one<H: Handler>(handler: H, seed: u64, in_parts: bool) {
    let mut random = Random(seed * 7919 + 17);
    let (client, server) = duplex([600, 20_000, 1 << 20][random.below(3)]);
    let wire = Connection::new(options::<H>(|_| {}).into(), Vec::new(), now());
    #[cfg(feature = "deflate")]
    let wire = wire.with_compression((random.below(3) == 0).then_some(crate::wire::DeflateParams {
        level: 1,
        mem_level: 8,
        window_bits: 15,
        server_takeover: false,
        client_takeover: false,
        min_size: usize::MAX,
        per_frame: false,
    }));
    let is_vectored = random.below(5) > 0;
    let cx = Cx::new(wire, None, None);
    let task = tokio::spawn(run(handler, cx, RandomStream(server, Random(seed), is_vectored), None));
    let mut expect = Vec::new();
    let mut pieces = Vec::new();
    for _ in 0..3 + random.below(12) {
        let edge = [0, 125, 126, 4095, 4096, 16 << 10, 65_521, 65_535, 65_536, 131_000][random.below(10)];
        let len = if random.below(3) == 0 { random.size() } else { edge + random.below(3) };
        let first = if !in_parts && random.below(3) == 0 { b'h' } else { b'a' };
        let content = content(first, len);
        let opcode = if in_parts { 2 } else { 1 + random.below(2) as u8 };
        let mut stream = Vec::new();
        if random.below(4) == 0 {
            stream.extend(frame(0x89, b"ping"));
            expect.extend(if in_parts { vec![] } else { encoded(0x8a, b"ping") });
        }
        if random.below(4) == 0 {
            let (start, end) = content.split_at(random.below(len + 1));
            stream.extend([frame(opcode, start), frame(0x80, end)].concat());
        } else {
            stream.extend(frame(0x80 | opcode, &content));
        }
        if in_parts {
            expect.extend(content);
        } else {
            let reply = if first == b'h' && len > 0 { &content[len / 2..] } else { &content[..] };
            expect.extend(encoded(0x80 | opcode, reply));
        }
        // Half of the messages arrive whole, and alone or behind others.
        if random.below(2) == 0 {
            let (start, end) = stream.split_at(random.below(stream.len()));
            pieces.extend([start.to_vec(), end.to_vec()]);
        } else {
            pieces.push(stream);
        }
    }
    pieces.push(frame(0x88, &1000_u16.to_be_bytes()));
    let mut cuts = Random(seed + 1);
    let (mut read, mut write) = tokio::io::split(client);
    let writer = async {
        for piece in pieces {
            write.write_all(&piece).await.unwrap();
            for _ in 0..[0, 0, 50][cuts.below(3)] {
                yield_now().await;
            }
        }
    };
    let reader = async {
        if !in_parts {
            expect.extend(encoded(0x88, &1000_u16.to_be_bytes()));
            let mut got = vec![0; expect.len()];
            read.read_exact(&mut got).await.unwrap();
            let difference = got.iter().zip(&expect).position(|(got, expect)| got != expect);
            assert_eq!(difference, None, "seed {seed}: of {} bytes", expect.len());
            return;
        }
        let mut got = Vec::new();
        loop {
            match super::large_messages_random::reply(&mut read).await {
                (0x82, payload) => got.extend(payload),
                (0x8a, payload) => assert_eq!(payload, b"ping"),
                (0x88, _) => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(got == expect, "seed {seed}: {} of {} bytes", got.len(), expect.len());
    };
    tokio::join!(writer, reader);
    drop((read, write));
    assert!(matches!(task.await.unwrap(), CloseReason::Remote(_)), "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn echo_is_encoded_as_by_a_simple_encoder() {
    for seed in 0..16 {
        try_one(Echo, seed, false).await;
        try_one(EchoParts, seed, true).await;
    }
}
