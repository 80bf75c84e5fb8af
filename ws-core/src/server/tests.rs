//! Time limits of requests after a time in which the process stood still: the client's bytes have arrived, and the
//! I/O driver has not reported them yet.

#[cfg(feature = "http2")]
mod http2;

use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::time::{Instant, sleep};

use super::handshake::{FirstRequest, PendingRequest};
use super::handshake_timeouts::{HandshakeTimeouts, SharedTimer};
use super::peer::{Peer, PeerName};
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::prelude::*;

const MS: Duration = Duration::from_millis(1);
const TIMEOUT: Duration = Duration::from_secs(10);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(7);

/// The size of a page, more than all buffers hold.
const LARGE: usize = 1 << 20;

/// One direction of a stream. In the given time, and until a pass of the I/O driver after it, the direction seems
/// not to be ready.
struct Gate {
    closed: Range<Instant>,
    /// Whether the driver has run, after the first poll that follows the standstill.
    is_reported: Option<Arc<AtomicBool>>,
}

impl Gate {
    fn is_open(&mut self) -> bool {
        if Instant::now() < self.closed.start {
            return true;
        }
        if Instant::now() < self.closed.end {
            return false;
        }
        let is_reported = self.is_reported.get_or_insert_with(|| {
            let is_reported = Arc::<AtomicBool>::default();
            let report = Arc::clone(&is_reported);
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                report.store(true, Ordering::Relaxed);
            });
            is_reported
        });
        is_reported.load(Ordering::Relaxed)
    }
}

/// The server's side of a stream whose process stands still for a while.
struct Late {
    io: DuplexStream,
    read: Gate,
    write: Gate,
}

impl Late {
    /// Returns the client's side, and a server's side that stands still for both directions.
    fn new(read: Range<Duration>, write: Range<Duration>) -> (DuplexStream, Self) {
        let start = Instant::now();
        let gate = |closed: Range<Duration>| Gate {
            closed: start + closed.start..start + closed.end,
            is_reported: None,
        };
        let (client, io) = tokio::io::duplex(64 << 10);
        (client, Self { io, read: gate(read), write: gate(write) })
    }
}

/// A standstill of no length, long after a test.
const NEVER: Range<Duration> = Duration::from_hours(1)..Duration::from_hours(1);

/// A standstill in the second before `end`.
fn before(end: Duration) -> Range<Duration> {
    end.saturating_sub(1000 * MS)..end
}

impl AsyncRead for Late {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_open() { Pin::new(&mut self.io).poll_read(task, to) } else { Poll::Pending }
    }
}

impl AsyncWrite for Late {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.write.is_open() { Pin::new(&mut self.io).poll_write(task, bytes) } else { Poll::Pending }
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}

/// A handler of both drafts, whose requests are parsed.
#[websocket(path = "/socket", legacy, origins = any)]
struct Made;

#[websocket]
impl Made {
    #[on_upgrade]
    fn make() -> Self {
        Self
    }

    #[on_open]
    fn open(&mut self) -> &'static str {
        "opened"
    }
}

/// A handler whose `#[on_upgrade]` does not return.
#[websocket(path = "/pending")]
struct Unmade;

#[websocket]
impl Unmade {
    #[on_upgrade]
    async fn make() -> Self {
        poll_fn(|_| Poll::Pending).await
    }

    #[on_open]
    fn open(&mut self) -> &'static str {
        "opened"
    }
}

/// Returns a client of a server with a page. The server's timer for first requests runs.
fn peer() -> Peer {
    let large = axum::routing::get(async || "x".repeat(LARGE));
    let echo = axum::routing::post(async |body: Bytes| body);
    let pages = axum::Router::new().route("/large", large).route("/echo", echo).fallback(async || "a page");
    let router = Router::new().mount::<Made>().mount::<Unmade>().fallback(pages);
    let router = router.handshake_timeout(TIMEOUT).response_timeout(RESPONSE_TIMEOUT);
    let timeouts = HandshakeTimeouts::new(TIMEOUT);
    let permit = Arc::<ConnectionTracker>::default().admit(&ConnectionLimits::new(1), None).unwrap();
    let timer = Arc::clone(&timeouts);
    tokio::spawn(async move {
        let mut shared = SharedTimer::new();
        poll_fn(|task| {
            timer.poll(task, &mut shared);
            Poll::<()>::Pending
        })
        .await;
    });
    let (addr, deadline) = (PeerName(Some((Ipv4Addr::LOCALHOST, 1).into())), Instant::now() + TIMEOUT);
    Peer {
        server: Arc::new(router),
        timeouts,
        addr,
        deadline,
        is_delayed: false,
        #[cfg(feature = "tls")]
        certificate: None,
        unanswered: None,
        permit,
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

const HANDSHAKE: &str = "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The head of a handshake of draft 76, which eight bytes follow.
const OLD_HANDSHAKE: &str = "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
                             Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://x\r\n\
                             Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n";

/// Reads up to the end of `expected`. Returns false if the stream ends first.
async fn receives(client: &mut DuplexStream, expected: &str) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(expected.as_bytes()) {
        match client.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// Serves HTTP/1.1.
fn start_http1(io: Late) {
    let pending = PendingRequest { deadline: Instant::now() + TIMEOUT, response: None };
    tokio::spawn(peer().http1(io, pending, false));
}

#[tokio::test(start_paused = true)]
async fn first_request_that_arrived_before_the_deadline_is_served() {
    let (mut client, io) = Late::new(before(TIMEOUT), NEVER);
    start_http1(io);
    sleep(9500 * MS).await;
    client.write_all(GET.as_bytes()).await.unwrap();
    assert!(receives(&mut client, "a page").await);
}

#[tokio::test(start_paused = true)]
async fn later_request_that_arrived_before_the_deadline_is_served() {
    // The time of a request starts with the response to the one before it.
    let (start, deadline) = (Instant::now(), 3000 * MS + TIMEOUT);
    let (mut client, io) = Late::new(before(deadline), NEVER);
    start_http1(io);
    sleep(3000 * MS).await;
    client.write_all(GET.as_bytes()).await.unwrap();
    assert!(receives(&mut client, "a page").await);
    sleep(9500 * MS).await;
    client.write_all(GET.as_bytes()).await.unwrap();
    assert!(receives(&mut client, "a page").await);
    assert_eq!(start.elapsed(), deadline);
    // A client that sends nothing has no more than its time.
    assert!(!receives(&mut client, "a page").await);
    assert_eq!(start.elapsed(), deadline + TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn rest_of_a_first_line_that_arrived_before_the_deadline_is_read() {
    for (first, rest) in [("GET /", " HTTP/1.1\r\n"), ("P", "OST / HTTP/1.1\r\n")] {
        let (mut client, io) = Late::new(before(TIMEOUT), NEVER);
        let peer = peer();
        let request = tokio::spawn(async move { peer.read_first_request(io, false).await });
        client.write_all(first.as_bytes()).await.unwrap();
        sleep(9500 * MS).await;
        client.write_all(rest.as_bytes()).await.unwrap();
        assert!(matches!(request.await.unwrap(), FirstRequest::Http1(..)), "{first}");
    }
}

#[tokio::test(start_paused = true)]
async fn time_of_the_bytes_before_a_request_counts() {
    for sent in ["", "GET /socket HTTP/1.1\r\n", "P"] {
        let mut peer = peer();
        peer.is_delayed = true;
        // A TLS handshake, or a header of the PROXY protocol.
        sleep(6000 * MS).await;
        let start = Instant::now();
        let (mut client, io) = tokio::io::duplex(64);
        client.write_all(sent.as_bytes()).await.unwrap();
        match peer.read_first_request(io, false).await {
            FirstRequest::Http1(io, pending) => peer.http1(io, pending, false).await,
            other => assert!(matches!(other, FirstRequest::Closed), "{sent}"),
        }
        assert_eq!(start.elapsed(), 4000 * MS, "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn time_of_the_request_counts_for_on_upgrade() {
    let handshake = HANDSHAKE.replace("/socket", "/pending");
    let (head, rest) = handshake.split_at(40);
    // A request at once, after a TLS handshake; and one in parts, which hyper reads.
    for (delay, first, rest) in [(6000, handshake.as_str(), ""), (0, head, rest)] {
        let peer = peer();
        sleep(delay * MS).await;
        let (mut client, io) = tokio::io::duplex(4096);
        client.write_all(first.as_bytes()).await.unwrap();
        tokio::spawn(async move {
            match peer.read_first_request(io, false).await {
                FirstRequest::Http1(io, pending) => peer.http1(io, pending, false).await,
                _ => panic!("not a request for hyper"),
            }
        });
        sleep((6000 - delay) * MS).await;
        client.write_all(rest.as_bytes()).await.unwrap();
        let start = Instant::now();
        assert!(receives(&mut client, "HTTP/1.1 503").await);
        assert_eq!(start.elapsed(), 4000 * MS, "{first}");
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_does_not_read_a_page_is_disconnected() {
    for read in [0, 2] {
        let start = Instant::now();
        let (mut client, io) = tokio::io::duplex(4096);
        let pending = PendingRequest { deadline: start + TIMEOUT, response: None };
        let server = tokio::spawn(peer().http1(io, pending, false));
        client.write_all(GET.replace("GET /", "GET /large").as_bytes()).await.unwrap();
        // The time begins again with each part that the client reads.
        for _ in 0..read {
            sleep(RESPONSE_TIMEOUT - 1000 * MS).await;
            client.read_u8().await.unwrap();
        }
        server.await.unwrap();
        assert_eq!(start.elapsed(), RESPONSE_TIMEOUT + (RESPONSE_TIMEOUT - 1000 * MS) * read);
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_a_page_slowly_gets_it() {
    let (mut client, io) = tokio::io::duplex(64 << 10);
    let pending = PendingRequest { deadline: Instant::now() + TIMEOUT, response: None };
    tokio::spawn(peer().http1(io, pending, false));
    client.write_all(GET.replace("GET /", "GET /large").as_bytes()).await.unwrap();
    let (mut len, mut buffer) = (0, vec![0; 64 << 10]);
    while len < LARGE {
        sleep(RESPONSE_TIMEOUT - 1000 * MS).await;
        len += client.read(&mut buffer).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn room_for_the_response_before_the_deadline_is_used() {
    let (mut client, io) = Late::new(NEVER, Duration::ZERO..TIMEOUT);
    let peer = peer();
    let request = tokio::spawn(async move { peer.read_first_request(io, false).await });
    client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    assert!(matches!(request.await.unwrap(), FirstRequest::WebSocket(..)));
}

#[tokio::test(start_paused = true)]
async fn challenge_of_draft_76_that_arrived_before_the_deadline_is_answered() {
    let (mut client, io) = Late::new(before(TIMEOUT), NEVER);
    start_http1(io);
    client.write_all(OLD_HANDSHAKE.as_bytes()).await.unwrap();
    assert!(receives(&mut client, "\r\n\r\n").await);
    sleep(9500 * MS).await;
    client.write_all(b"^n:ds[4U").await.unwrap();
    assert!(receives(&mut client, "8jKS'y:G*Co,Wxa-").await);
}
