//! Messages and replies without a copy: every byte arrives unchanged and in order.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use super::peer::{Peer, connect_with, frame, options};
use crate::clock::now;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::options::Options;
use crate::prelude::*;
use crate::transport::{RuntimeTimer, Transport};
use crate::wire::Connection;

const MIB: usize = 1 << 20;

/// Handler that answers with parts of each message: all of it, its ends, its middle, and owned replies of each kind.
#[websocket(max_message_size = 2MiB, outbox_limit = 64MiB)]
#[derive(Default)]
struct Parts;

#[websocket]
impl Parts {
    #[on_binary]
    fn binary(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Result<(), Refused> {
        let third = bytes.len() / 3;
        cx.send((bytes, &bytes[..third], "between", &bytes[third..2 * third], &bytes[2 * third..]));
        cx.send((&bytes[..third], bytes.to_vec(), Bytes::copy_from_slice(bytes), Arc::<[u8]>::from(bytes)));
        match bytes[0] {
            b'p' => panic!("with unsent replies"),
            b'c' => cx.close(4000),
            b'e' => return Err(Refused),
            _ => {}
        }
        Ok(())
    }

    #[on_text]
    fn text<'a>(&mut self, text: &'a str, cx: &mut Context<Self>) -> &'a str {
        cx.send((text.to_owned(), Box::<str>::from(text), Arc::<str>::from(text), Message::text(text)));
        text
    }
}

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

fn content(first: u8, len: usize) -> Vec<u8> {
    let mut content: Vec<u8> = (0..len).map(|i| b'a' + (i * 5 % 19) as u8).collect();
    content[0] = first;
    content
}

async fn parts(peer: &mut Peer, bytes: &[u8]) {
    let third = bytes.len() / 3;
    let (start, middle, end) = (&bytes[..third], &bytes[third..2 * third], &bytes[2 * third..]);
    for (at, part) in
        [bytes, start, b"between", middle, end, start, bytes, bytes, bytes].into_iter().enumerate()
    {
        let got = peer.frame().await.expect("a reply");
        assert!(got.payload == part, "part {at} of {} bytes: {} bytes", bytes.len(), got.payload.len());
    }
}

#[tokio::test(start_paused = true)]
async fn replies_arrive_unchanged_for_every_size_and_buffer() {
    for buffer in [100, 5000, 64 << 10, 8 * MIB] {
        let mut peer = connect_with(buffer, options::<Parts>(|_| {}), |_| Parts);
        let sizes = [12, 4096, 13_000, 16 << 10, 65_000, 65_536, 200_000, MIB];
        for len in sizes.into_iter().filter(|len| len / buffer < 250) {
            let content = content(b'x', len);
            exchange(&mut peer, &frame(0x82, &content), &content).await;
            let text = String::from_utf8(content).unwrap();
            exchange_text(&mut peer, &text).await;
        }
    }
}

/// Sends and reads at the same time, because a small buffer takes neither completely.
async fn exchange(peer: &mut Peer, stream: &[u8], content: &[u8]) {
    let (read, mut write) = tokio::io::split(std::mem::replace(&mut peer.io, duplex(1).0));
    let stream = stream.to_vec();
    let writer = tokio::spawn(async move {
        write.write_all(&stream).await.unwrap();
        write
    });
    let mut read = read;
    for part in [0, 1, 2, 3, 4, 5, 6, 7, 8] {
        let third = content.len() / 3;
        let expect = match part {
            1 | 5 => &content[..third],
            2 => b"between",
            3 => &content[third..2 * third],
            4 => &content[2 * third..],
            _ => content,
        };
        let got = payload(&mut read).await;
        assert!(got == expect, "part {part} of {} bytes: {} bytes", content.len(), got.len());
    }
    peer.io = read.unsplit(writer.await.unwrap());
}

async fn exchange_text(peer: &mut Peer, text: &str) {
    let (mut read, mut write) = tokio::io::split(std::mem::replace(&mut peer.io, duplex(1).0));
    let stream = frame(0x81, text.as_bytes());
    let writer = tokio::spawn(async move {
        write.write_all(&stream).await.unwrap();
        write
    });
    for _ in 0..5 {
        assert!(payload(&mut read).await == text.as_bytes());
    }
    peer.io = read.unsplit(writer.await.unwrap());
}

async fn payload(io: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    io.read_u8().await.unwrap();
    let len = match io.read_u8().await.unwrap() {
        126 => usize::from(io.read_u16().await.unwrap()),
        127 => usize::try_from(io.read_u64().await.unwrap()).unwrap(),
        short => usize::from(short),
    };
    let mut payload = vec![0; len];
    io.read_exact(&mut payload).await.unwrap();
    payload
}

#[tokio::test(start_paused = true)]
async fn messages_of_the_same_read_do_not_change_replies() {
    let mut peer = connect_with(16 * MIB, options::<Parts>(|_| {}), |_| Parts);
    let all: Vec<Vec<u8>> = [20_000, 9, 30_000, 300_000, 12_500, 100].map(|len| content(b'x', len)).to_vec();
    let stream: Vec<u8> = all.iter().flat_map(|content| frame(0x82, content)).collect();
    for _ in 0..3 {
        peer.raw(&stream).await;
        for content in &all {
            parts(&mut peer, content).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn replies_before_a_close_are_sent() {
    for (first, code) in [(b'p', 1011), (b'c', 4000), (b'e', 1011)] {
        for len in [20_000, 400_000] {
            let mut peer = connect_with(16 * MIB, options::<Parts>(|_| {}), |_| Parts);
            let content = content(first, len);
            peer.raw(&[frame(0x82, &content), frame(0x82, &content)].concat()).await;
            parts(&mut peer, &content).await;
            assert_eq!(peer.closed().await, code);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn overflow_closes_after_the_queued_replies() {
    let limited = options::<Parts>(|options| {
        options.outbox_limit = 250_000;
        options.outbox_high_water = 1000;
    });
    for len in [60_000, 200_000] {
        let mut peer = connect_with(MIB, limited.clone(), |_| Parts);
        let content = content(b'x', len);
        peer.raw(&frame(0x82, &content)).await;
        assert!(peer.frame().await.unwrap().payload == content);
        while let Some(frame) = peer.frame().await {
            if frame.opcode == 8 {
                assert_eq!(frame.payload[..2], 1013_u16.to_be_bytes());
                break;
            }
            assert!(frame.payload.len() <= len);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn disconnect_drops_queued_replies() {
    for len in [20_000, 400_000] {
        let mut peer = connect_with(1000, options::<Parts>(|_| {}), |_| Parts);
        let Peer { mut io, task, .. } = {
            peer.raw(&[]).await;
            peer
        };
        let stream = frame(0x82, &content(b'x', len));
        let _ = tokio::time::timeout(Duration::from_secs(1), io.write_all(&stream)).await;
        drop(io);
        assert!(matches!(task.await.unwrap(), CloseReason::ConnectionLost(_)));
    }
}

/// A stream that takes a limited number of bytes per call, and none in every other call.
struct Slow(DuplexStream, usize, bool);

impl Slow {
    fn takes(&mut self, task: &mut TaskContext<'_>) -> Poll<&mut DuplexStream> {
        self.2 = !self.2;
        if self.2 {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(&mut self.0)
    }
}

impl Transport for Slow {
    type Timer = RuntimeTimer;
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(task, to)
    }
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let most = self.1.min(bytes.len());
        let Poll::Ready(io) = self.takes(task) else { return Poll::Pending };
        Pin::new(io).poll_write(task, &bytes[..most])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(self.1).collect();
        let Poll::Ready(io) = self.takes(task) else { return Poll::Pending };
        Pin::new(io).poll_write(task, &bytes)
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

#[tokio::test(start_paused = true)]
async fn stream_with_short_writes_receives_everything() {
    for most in [1, 3, 1000, 4099, 70_000] {
        let (client, server) = duplex(MIB);
        let options = Arc::new(options::<Parts>(|_| {}));
        let cx = Cx::new(Connection::new(options, Vec::new(), now()), None, None);
        let task = tokio::spawn(run(Parts, cx, Slow(server, most, false), None));
        let (_, log) = tokio::sync::mpsc::unbounded_channel();
        let mut peer = Peer { io: client, log, task, connections: Arc::default() };
        for len in [13_000, 70_000].into_iter().filter(|len| len / most < 30_000) {
            let content = content(b'x', len);
            exchange(&mut peer, &frame(0x82, &content), &content).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_utf8_closes_before_the_end_of_the_message() {
    let mut peer =
        connect_with(MIB, Options { max_message_size: MIB, ..options::<Parts>(|_| {}) }, |_| Parts);
    let mut content = content(b'x', MIB);
    content[300_000] = 0xff;
    peer.raw(&frame(0x81, &content)[..400_000]).await;
    assert_eq!(peer.closed().await, 1007);
}

/// Bytes whose owner panics when they are dropped.
struct PanicsOnDrop(Vec<u8>);

impl AsRef<[u8]> for PanicsOnDrop {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// Handler that sends [`PanicsOnDrop`] bytes without a copy.
#[websocket]
struct Lender(super::peer::Log);

#[websocket]
impl Lender {
    #[on_text]
    fn lend(&mut self, _: &str) -> Bytes {
        Bytes::from_owner(PanicsOnDrop(vec![7; 10_000]))
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn panic_of_an_owner_of_bytes_closes_no_other_connection() {
    let mut peer = connect_with(MIB, options::<Lender>(|_| {}), Lender);
    for _ in 0..2 {
        peer.send("all of it").await;
        assert!(peer.frame().await.unwrap().payload == [7; 10_000]);
    }
    // Queued bytes are dropped when the client disconnects.
    let mut small = connect_with(1000, options::<Lender>(|_| {}), Lender);
    small.send("a part of it").await;
    assert_eq!(small.io.read_u8().await.unwrap(), 0x82);
    assert_eq!(small.events().await.len(), 1);
    assert_eq!(peer.events().await.len(), 1);
}
