//! Connections that replace another one at the wrong moment.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::time::{Instant, sleep};

use super::client::{Peer, Read, begin};
use super::{Log, Logged, S, frame, logged};
use crate::handler::Handler;
use crate::prelude::*;
use crate::transport::session::{Attachment, SessionLink};
use crate::transport::{RuntimeTimer, Transport};

/// A handler that sends three messages of 500 bytes.
#[websocket(session, ping_interval = none)]
struct Large(#[allow(dead_code)] Log);

#[websocket]
impl Large {
    #[on_open]
    fn open(&mut self) -> Vec<String> {
        ["a", "b", "c"].map(|text| text.repeat(500)).to_vec()
    }
}

async fn large(buffer: usize) -> Peer {
    begin(buffer, Large::CHECKED_DECLARATION.options, Large).await
}

#[tokio::test(start_paused = true)]
async fn half_a_message_of_the_earlier_connection_is_dropped() {
    let mut peer = logged().await;
    let text = "one, in two connections";
    peer.queue(text);
    let bytes = frame(0x81, text.as_bytes());
    for len in [1, 7, bytes.len() - 1] {
        peer.io.as_mut().unwrap().write_all(&bytes[..len]).await.unwrap();
        sleep(S).await;
        let _earlier = peer.io.take();
        assert!(peer.reattach());
        if len < bytes.len() - 1 {
            peer.object("session").await;
        }
    }
    assert!(peer.greet().await);
    assert_eq!(peer.text().await, format!("re: {text}"));
    assert_eq!(peer.event().await, text);
    assert!(peer.log.try_recv().is_err());
}

/// A close frame within a message would be a part of the message.
#[tokio::test(start_paused = true)]
async fn connection_that_ends_within_a_message_gets_no_close_frame() {
    let mut peer = large(256).await;
    sleep(S).await;
    let mut earlier = peer.io.take().unwrap();
    assert!(peer.reattach());
    let mut rest = Vec::new();
    earlier.read_to_end(&mut rest).await.unwrap();
    let payload = rest.strip_prefix(&[0x81, 126, 1, 244]).unwrap_or(&rest);
    assert!(!payload.is_empty() && payload.len() < 500);
    assert!(payload.iter().all(|byte| *byte == b'a'), "{payload:?}");
    assert!(peer.greet().await);
    for text in ["a", "b", "c"] {
        assert_eq!(peer.text().await, text.repeat(500));
    }
}

/// A delayed copy of an earlier request does not change what the client has.
#[tokio::test(start_paused = true)]
async fn late_request_with_an_older_number_costs_no_session() {
    let mut peer = large(256).await;
    for _ in 0..3 {
        peer.text().await;
    }
    peer.cut();
    peer.received = 1;
    assert!(peer.reattach());
    sleep(S).await;
    peer.cut();
    peer.received = 3;
    assert!(peer.resume().await, "the session has sent three messages");
}

/// The messages that a client lacks may be acknowledged between its request and its connection, by another one.
#[tokio::test(start_paused = true)]
async fn connection_that_comes_too_late_is_closed_alone() {
    let mut peer = logged().await;
    peer.send("one").await;
    assert_eq!(peer.text().await, "re: one");
    let reservation = peer.link.reserve(0).expect("the message is kept");
    peer.acknowledge().await;
    sleep(S).await;
    let (mut client, server) = duplex(1 << 10);
    reservation.attach(Attachment::new(Box::new(server), Vec::new(), 0, None));
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, [&[0x88, 2][..], &1002_u16.to_be_bytes()].concat());
    peer.send("two").await;
    assert_eq!(peer.text().await, "re: two");
}

/// The time between two polls is not longer than that of a lost connection.
#[tokio::test(start_paused = true)]
async fn grace_does_not_prolong_a_session() {
    let mut peer = begin(1 << 10, Logged::CHECKED_DECLARATION.options, Logged).await;
    assert_eq!(peer.event().await, "open");
    let (client, server) = duplex(1 << 10);
    let stream = Attachment::new(Box::new(server), Vec::new(), 0, None);
    peer.link.reserve(0).unwrap().attach(Attachment { grace: 40 * S, ..stream });
    peer.io = Some(client);
    peer.object("session").await;
    let start = Instant::now();
    peer.cut();
    assert_eq!(peer.event().await, "detach");
    assert_eq!(peer.event().await, "ConnectionLost(UnexpectedEof)");
    assert_eq!(start.elapsed(), 30 * S);
}

#[tokio::test(start_paused = true)]
async fn quarter_of_the_buffer_is_acknowledged() {
    let mut peer = logged().await;
    peer.send(&"x".repeat(1 << 16)).await;
    let reads = [peer.read().await, peer.read().await];
    assert!(reads.contains(&Read::Object(serde_json::json!({ "ack": 1 }))));
}

/// A stream that resumes the session, within a write, with the messages of that write.
struct Eager {
    io: DuplexStream,
    link: Arc<SessionLink>,
    /// The number of the last message that was written.
    sent: u64,
    is_lost: Arc<AtomicBool>,
}

impl AsyncRead for Eager {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(task, to)
    }
}

impl AsyncWrite for Eager {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.io).poll_write(task, bytes);
        assert!(matches!(write, Poll::Ready(Ok(len)) if len == bytes.len()));
        let mut frames = bytes;
        while let [first, len, payload @ ..] = frames {
            assert!(*len < 126);
            self.sent += u64::from(*first == 0x81 && payload[0] != 0);
            frames = &payload[usize::from(*len)..];
        }
        if self.link.reserve(self.sent).is_none() {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        write
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for Eager {
    type Timer = RuntimeTimer;
}

/// The client is faster than the task of the session, which another thread has interrupted in the middle of a write.
#[tokio::test(start_paused = true)]
async fn client_resumes_before_the_write_of_its_messages_has_returned() {
    let mut peer = logged().await;
    peer.cut();
    sleep(S).await;
    let (client, server) = duplex(1 << 16);
    let is_lost = Arc::<AtomicBool>::default();
    let (link, sent) = (Arc::clone(&peer.link), peer.received);
    let stream = Eager { io: server, link, sent, is_lost: Arc::clone(&is_lost) };
    let reservation = peer.link.reserve(sent).expect("the session goes on");
    reservation.attach(Attachment::new(Box::new(stream), Vec::new(), sent, None));
    peer.io = Some(client);
    assert!(peer.greet().await);
    for expected in ["while you were away", "welcome back", "tick"] {
        assert_eq!(peer.text().await, expected);
    }
    // One short reply, and several in one write.
    peer.send("one").await;
    assert_eq!(peer.text().await, "re: one");
    let both = [frame(0x81, b"two"), frame(0x81, b"three")].concat();
    peer.raw(&both).await;
    assert_eq!((peer.text().await, peer.text().await), ("re: two".into(), "re: three".into()));
    assert!(!is_lost.load(Ordering::Relaxed), "the session has sent what the client has");
}
