//! Sources that never run empty: each gets its share of the calls, and the end of the client is noticed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::peer::{frame, options};
use crate::clock::now;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::handler::Handler;
use crate::prelude::*;
use crate::transport::Transport;
use crate::wire::Connection;
use crate::worker::Workers;

const TEXTS: usize = 0;
const PINGS: usize = 1;
const INFOS: usize = 2;
const TOPICS: usize = 3;
const FRAMES: usize = 4;
const TIMERS: usize = 5;
const SOURCES: [&str; 6] = ["texts", "pings", "infos", "topics", "forwarded frames", "timers"];

/// The sources of a connection, and the number of calls for each.
#[derive(Clone)]
struct Load {
    sources: [usize; 2],
    /// The number of calls after which no source is refilled.
    limit: usize,
    counts: Arc<[AtomicUsize; SOURCES.len()]>,
    topic: Topic<u32>,
    frames: Topic<u32>,
}

impl Load {
    fn new(sources: [usize; 2], limit: usize) -> Self {
        let hub = Hub::local();
        let (topic, frames) = (hub.topic("topic"), hub.topic("frames"));
        Self { sources, limit, counts: Arc::default(), topic, frames }
    }

    fn has(&self, source: usize) -> bool {
        self.sources.contains(&source)
    }

    fn count(&self, source: usize) -> usize {
        self.counts[source].load(Ordering::Relaxed)
    }

    fn calls(&self) -> usize {
        SOURCES.iter().enumerate().filter(|(source, _)| *source != FRAMES).map(|(n, _)| self.count(n)).sum()
    }

    /// Counts the frames of the topic among `bytes` for the client. A handler sends no text itself.
    fn count_frames(&self, bytes: &[u8]) {
        let frames = bytes.iter().filter(|byte| **byte == 0x81).count();
        self.counts[FRAMES].fetch_add(frames, Ordering::Relaxed);
    }

    /// Counts a call. Returns whether the source is refilled.
    fn count_call(&self, source: usize) -> bool {
        if self.calls() >= self.limit {
            return false;
        }
        self.counts[source].fetch_add(1, Ordering::Relaxed);
        if self.has(FRAMES) && self.calls().is_multiple_of(2) {
            self.frames.publish(1).unwrap();
        }
        true
    }

    /// Asserts that both sources had at least a tenth of the calls.
    fn check(&self, how: &str) {
        let [first, second] = self.sources;
        let (a, b) = (self.count(first), self.count(second));
        let what = format!("{how}: {a} {}, {b} {}", SOURCES[first], SOURCES[second]);
        assert!(self.calls() >= self.limit, "{what}: less than {} calls", self.limit);
        assert!(a.min(b) * 10 >= a + b, "{what}");
    }
}

struct Refill;
#[derive(Clone)]
struct Tick;

macro_rules! handlers {
    ($($name:ident ($($async:tt)?) $wait:block)*) => {$(
        #[websocket(max_control_rate = none, mailbox = 4096)]
        struct $name(Load, Option<Addr<Self>>);

        #[websocket]
        impl $name {
            #[on_open]
            fn open(&mut self, cx: &mut Context<Self>) {
                let addr = self.1.insert(cx.addr());
                cx.subscribe(&self.0.topic);
                cx.forward(&self.0.frames);
                for _ in 0..100 {
                    if self.0.has(INFOS) {
                        addr.send(Refill).unwrap();
                    }
                    if self.0.has(TOPICS) {
                        self.0.topic.publish(1).unwrap();
                    }
                    if self.0.has(TIMERS) {
                        cx.send_after(Duration::ZERO, Tick);
                    }
                }
            }

            #[on_text]
            $($async)? fn text(&mut self, _: &str) {
                self.0.count_call(TEXTS);
                $wait
            }

            #[on_ping]
            $($async)? fn ping(&mut self) {
                self.0.count_call(PINGS);
                $wait
            }

            #[on_info]
            $($async)? fn refill(&mut self, _: Refill) {
                if self.0.count_call(INFOS) && let Some(addr) = &self.1 {
                    // The mailbox is closed while the connection drains.
                    let _ = addr.send(Refill);
                }
                $wait
            }

            #[on_info]
            $($async)? fn published(&mut self, _: Arc<u32>) {
                if self.0.count_call(TOPICS) {
                    self.0.topic.publish(1).unwrap();
                }
                $wait
            }

            #[on_info]
            $($async)? fn tick(&mut self, _: Tick, cx: &mut Context<Self>) {
                if self.0.count_call(TIMERS) {
                    cx.send_after(Duration::ZERO, Tick);
                }
                $wait
            }
        }
    )*};
}

handlers! {
    Sync() {}
    Ready(async) {}
    Waiting(async) { sleep(Duration::from_millis(5)).await; }
}

/// What follows the input of a [`Scripted`] client.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// The same input again, until the limit of the load.
    Repeats,
    Eof,
    Reset,
    Silence,
}

/// A client that reads everything, and whose input is always there.
struct Scripted {
    input: Vec<u8>,
    end: End,
    load: Load,
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.end == End::Repeats {
            if self.input.is_empty() || self.load.calls() >= self.load.limit {
                return Poll::Pending;
            }
            while to.remaining() >= self.input.len() {
                to.put_slice(&self.input);
            }
            return Poll::Ready(Ok(()));
        }
        let len = self.input.len().min(to.remaining());
        to.put_slice(&self.input[..len]);
        self.input.drain(..len);
        match self.end {
            _ if len > 0 => Poll::Ready(Ok(())),
            End::Eof => Poll::Ready(Ok(())),
            End::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            End::Repeats | End::Silence => Poll::Pending,
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.load.count_frames(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for Scripted {}

/// Returns the input of a client for the sources of `load`.
fn input(load: &Load) -> Vec<u8> {
    let texts = if load.has(TEXTS) { frame(0x81, b"x") } else { Vec::new() };
    let pings = if load.has(PINGS) { frame(0x89, b"") } else { Vec::new() };
    [texts, pings].concat()
}

fn pairs() -> impl Iterator<Item = [usize; 2]> {
    (0..SOURCES.len()).flat_map(|a| (a + 1..SOURCES.len()).map(move |b| [a, b]))
}

fn context<H: Handler>() -> Cx<H> {
    Cx::new(Connection::new(options::<H>(|_| {}).into(), Vec::new(), now()), None, None)
}

async fn check_on_runtime<H: Handler>(how: &str, make: impl Fn(Load) -> H) {
    for sources in pairs() {
        let load = Load::new(sources, 2000);
        let client = Scripted { input: input(&load), end: End::Repeats, load: load.clone() };
        let task = tokio::spawn(run(make(load.clone()), context(), client, None));
        sleep(Duration::from_secs(50)).await;
        load.check(how);
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn each_source_gets_a_tenth_of_the_calls_of_sync_methods() {
    check_on_runtime("sync", |load| Sync(load, None)).await;
}

#[tokio::test(start_paused = true)]
async fn each_source_gets_a_tenth_of_the_calls_of_ready_methods() {
    check_on_runtime("ready", |load| Ready(load, None)).await;
}

#[tokio::test(start_paused = true)]
async fn each_source_gets_a_tenth_of_the_calls_of_pending_methods() {
    check_on_runtime("pending", |load| Waiting(load, None)).await;
}

async fn check_on_workers<H: Handler>(how: &str, limit: usize, make: impl Fn(Load) -> H) {
    let workers = Workers::start(1).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for sources in pairs() {
        let load = Load::new(sources, limit);
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut reader, mut writer) = client.into_split();
        let (handler, cx) = (make(load.clone()), context());
        let server = listener.accept().await.unwrap().0;
        let bytes = input(&load).repeat(1000);
        // The input is there before the first call, although the worker waits for its sockets only after the
        // first poll, which handles up to 1024 messages of the mailbox.
        writer.write_all(&bytes).await.unwrap();
        workers.spawn(server, move |socket| run(handler, cx, socket, None)).unwrap();
        let counts = load.clone();
        let reads = tokio::spawn(async move {
            let mut read = [0; 4096];
            while let Ok(len @ 1..) = reader.read(&mut read).await {
                counts.count_frames(&read[..len]);
            }
        });
        let writes = tokio::spawn(async move {
            while !bytes.is_empty() && writer.write_all(&bytes).await.is_ok() {}
            // A client that sends nothing stays connected.
            std::future::pending::<()>().await;
        });
        // Frames for the client of the last calls may still be under way.
        let has_frames = || !load.has(FRAMES) || load.count(FRAMES) * 9 >= load.limit;
        while load.calls() < load.limit || !has_frames() {
            sleep(Duration::from_millis(1)).await;
        }
        load.check(how);
        writes.abort();
        reads.abort();
    }
}

#[tokio::test]
async fn each_source_gets_a_tenth_of_the_calls_on_a_worker() {
    check_on_workers("sync on a worker", 3000, |load| Sync(load, None)).await;
    check_on_workers("ready on a worker", 3000, |load| Ready(load, None)).await;
    check_on_workers("pending on a worker", 200, |load| Waiting(load, None)).await;
}

/// A handler whose mailbox is never empty. Counts its texts and logs its end.
#[websocket(idle_timeout = 2s, close_timeout = 1s, read_ahead = 1KiB)]
struct Flooded {
    texts: Arc<AtomicUsize>,
    addr: Option<Addr<Self>>,
}

#[websocket]
impl Flooded {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        let _ = self.addr.insert(cx.addr()).send(Refill);
    }

    #[on_text]
    fn text(&mut self, _: &str) {
        self.texts.fetch_add(1, Ordering::Relaxed);
    }

    #[on_info]
    async fn refill(&mut self, _: Refill) {
        if let Some(addr) = &self.addr {
            let _ = addr.send(Refill);
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn end_of_the_client_is_noticed_beside_a_mailbox_that_is_never_empty() {
    use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
    let close = frame(0x88, &1000_u16.to_be_bytes());
    for (last, end, reason) in [
        (&[][..], End::Eof, CloseReason::ConnectionLost(UnexpectedEof)),
        (&[], End::Reset, CloseReason::ConnectionLost(ConnectionReset)),
        (&close, End::Silence, CloseReason::Remote(Some(1000.into()))),
        (&[], End::Silence, CloseReason::Timeout),
    ] {
        let input = [&frame(0x81, b"x").repeat(300), last].concat();
        let texts = Arc::new(AtomicUsize::new(0));
        let client = Scripted { input, end, load: Load::new([TEXTS, INFOS], 0) };
        let handler = Flooded { texts: Arc::clone(&texts), addr: None };
        let task = tokio::spawn(run(handler, context(), client, None));
        // 300 texts take 19 iterations, of which each has 64 messages of the mailbox.
        let ended = timeout(Duration::from_secs(10), task).await.expect("the end is noticed");
        assert_eq!((ended.unwrap(), texts.load(Ordering::Relaxed)), (reason, 300), "{end:?}");
    }
}
