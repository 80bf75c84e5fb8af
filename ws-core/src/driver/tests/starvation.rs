//! Sources that never run empty: each gets its share of the calls, and the end of the client is noticed.

mod load;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use load::{
    End, FRAMES, FUTURES, INFOS, Load, PINGS, READ_AHEAD, ROUND, SOURCES, Scripted, TEXTS, TIMERS, TOPICS,
};

use super::peer::{frame, options};
use crate::clock::now;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::handler::Handler;
use crate::prelude::*;
use crate::wire::Connection;
use crate::worker::{WorkerKinds, Workers};

struct Refill;
struct Done;
#[derive(Clone)]
struct Tick;

macro_rules! handlers {
    ($($name:ident ($($async:tt)?) $wait:block $([$block:ident])?)*) => {$(
        #[websocket(max_control_rate = none, mailbox = 4096, max_deferred = 128)]
        struct $name(Load);

        impl $name {
            /// Gives the source its next item. The client's sources are in its input.
            fn refill(&self, source: usize, cx: &mut Context<Self>) {
                match source {
                    // The mailbox is closed while the connection drains.
                    INFOS => _ = cx.addr().send(Refill),
                    TOPICS => _ = self.0.topic.publish(1).unwrap(),
                    TIMERS => _ = cx.send_after(Duration::ZERO, Tick),
                    FUTURES => cx.spawn(async { Done }),
                    _ => {}
                }
            }

            fn count_call(&self, source: usize, cx: &mut Context<Self>) {
                if self.0.count_call(source) {
                    self.refill(source, cx);
                }
            }
        }

        #[websocket]
        impl $name {
            #[on_open]
            fn open(&mut self, cx: &mut Context<Self>) {
                cx.subscribe(&self.0.topic);
                cx.forward(&self.0.frames);
                for source in self.0.sources {
                    (0..100).for_each(|_| self.refill(source, cx));
                }
            }

            #[on_text]
            $($async)? fn text(&mut self, text: &str, cx: &mut Context<Self>) {
                self.count_call(if text == "read ahead" { READ_AHEAD } else { TEXTS }, cx);
                $wait
            }

            #[on_ping]
            $($async)? fn ping(&mut self, cx: &mut Context<Self>) {
                self.count_call(PINGS, cx);
                $wait
            }

            #[on_info]
            $($async)? fn info(&mut self, _: Refill, cx: &mut Context<Self>) {
                self.count_call(INFOS, cx);
                $wait
            }

            #[on_info]
            $($async)? fn published(&mut self, _: Arc<u32>, cx: &mut Context<Self>) {
                self.count_call(TOPICS, cx);
                $wait
            }

            #[on_info]
            $($async)? fn tick(&mut self, _: Tick, cx: &mut Context<Self>) {
                self.count_call(TIMERS, cx);
                $wait
            }

            #[on_info]
            $($async)? fn done(&mut self, _: Done, cx: &mut Context<Self>) {
                self.count_call(FUTURES, cx);
                $wait
            }

            $(
                /// Waits. Meanwhile the messages that follow are read ahead.
                #[on_binary]
                async fn $block(&mut self, _: &[u8]) {
                    sleep(Duration::from_millis(1)).await;
                }
            )?
        }
    )*};
}

handlers! {
    Sync() {}
    SyncAfterWait() {} [block]
    Ready(async) {} [block]
    Waiting(async) { sleep(Duration::from_millis(5)).await; } [block]
}

/// Returns the input of a client for the sources of `load`.
fn input(load: &Load) -> Vec<u8> {
    let frames = |source, frame: Vec<u8>| if load.has(source) { frame.repeat(ROUND) } else { Vec::new() };
    let block = if load.has(READ_AHEAD) { frame(0x82, b"") } else { Vec::new() };
    let read_ahead = frames(READ_AHEAD, frame(0x81, b"read ahead"));
    [frames(TEXTS, frame(0x81, b"x")), frames(PINGS, frame(0x89, b"")), block, read_ahead].concat()
}

/// Returns the pairs of sources with or without texts that were read ahead.
fn pairs(with_read_ahead: bool) -> impl Iterator<Item = [usize; 2]> {
    let pairs = (0..SOURCES.len()).flat_map(|a| (a + 1..SOURCES.len()).map(move |b| [a, b]));
    pairs.filter(move |pair| pair.contains(&READ_AHEAD) == with_read_ahead)
}

fn context<H: Handler>() -> Cx<H> {
    Cx::new(Connection::new(options::<H>(|_| {}).into(), Vec::new(), now()), None, None)
}

type Pairs = Vec<[usize; 2]>;

fn all_pairs() -> Pairs {
    pairs(false).chain(pairs(true)).collect()
}

async fn check_on_runtime<H: Handler>(how: &str, pairs: Pairs, make: impl Fn(Load) -> H) {
    for sources in pairs {
        // The first futures run after the first poll, which may call sync methods 2,000 times.
        let limit = if sources.contains(&FUTURES) && how != "pending" { 20_000 } else { 2000 };
        let load = Load::new(sources, limit);
        let client = Scripted { input: input(&load), after_calls: 0, end: End::Repeats, load: load.clone() };
        let task = tokio::spawn(run(make(load.clone()), context(), client, None));
        sleep(Duration::from_secs(50)).await;
        load.check(how);
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn each_source_gets_a_tenth_of_the_calls_of_sync_methods() {
    check_on_runtime("sync", pairs(false).collect(), Sync).await;
    // A handler needs an async method so that something is read ahead.
    check_on_runtime("sync", pairs(true).collect(), SyncAfterWait).await;
}

#[tokio::test(start_paused = true)]
async fn each_source_gets_a_tenth_of_the_calls_of_ready_methods() {
    check_on_runtime("ready", all_pairs(), Ready).await;
}

#[tokio::test(start_paused = true)]
async fn each_source_gets_a_tenth_of_the_calls_of_pending_methods() {
    check_on_runtime("pending", all_pairs(), Waiting).await;
}

#[tokio::test(start_paused = true)]
async fn texts_that_were_read_ahead_are_next_after_any_number_of_infos() {
    // An iteration has 16 texts that were read ahead, and 64 infos. As long as there are no texts, none is charged.
    for infos in [1, 15, 16, 17, 40, 63, 64, 65, 100] {
        // The texts arrive during the last of the infos, and are followed by one more info.
        let load = Load::new([READ_AHEAD, INFOS], infos + ROUND + 1);
        let input = frame(0x81, b"read ahead").repeat(ROUND);
        let client = Scripted { input, after_calls: infos, end: End::Silence, load: load.clone() };
        let task = tokio::spawn(run(Waiting(load.clone()), context(), client, None));
        sleep(Duration::from_secs(5)).await;
        assert_eq!((load.count(READ_AHEAD), load.count(INFOS)), (ROUND, infos + 1), "after {infos} infos");
        task.abort();
    }
}

async fn check_on_workers<H: Handler>(how: &str, pairs: Pairs, limit: usize, make: impl Fn(Load) -> H) {
    let workers = Workers::start(1, WorkerKinds::All).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut started = Vec::new();
    for sources in pairs {
        let load = Load::new(sources, limit);
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut reader, mut writer) = client.into_split();
        let (handler, cx) = (make(load.clone()), context());
        let server = listener.accept().await.unwrap().0;
        let bytes = input(&load).repeat(1000 / ROUND);
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
        started.push((load, reads, writes));
    }
    for (load, reads, writes) in started {
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
    check_on_workers("sync on a worker", pairs(false).collect(), 3000, Sync).await;
    check_on_workers("sync on a worker", pairs(true).collect(), 3000, SyncAfterWait).await;
    check_on_workers("ready on a worker", all_pairs(), 3000, Ready).await;
    check_on_workers("pending on a worker", all_pairs(), 200, Waiting).await;
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
        let client = Scripted { input, after_calls: 0, end, load: Load::new([TEXTS, INFOS], 0) };
        let handler = Flooded { texts: Arc::clone(&texts), addr: None };
        let task = tokio::spawn(run(handler, context(), client, None));
        // 300 texts take 19 iterations, of which each has 64 messages of the mailbox.
        let ended = timeout(Duration::from_secs(10), task).await.expect("the end is noticed");
        assert_eq!((ended.unwrap(), texts.load(Ordering::Relaxed)), (reason, 300), "{end:?}");
    }
}
