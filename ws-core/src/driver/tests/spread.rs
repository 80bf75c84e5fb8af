//! The drain of a server: closes that are spread over a time, and what they wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::peer::frame;
use super::start;
use crate::Handler;
use crate::connections::{ConnectionLimits, ConnectionTracker, DrainPlan, LimitReached};
use crate::prelude::*;

const S: Duration = Duration::from_secs(1);

/// A handler whose method takes a time, in seconds.
#[websocket(idle_timeout = none, ping_interval = none)]
struct Busy;

#[websocket]
impl Busy {
    #[on_text]
    async fn work(&mut self, seconds: &str, cx: &mut Context<Self>) -> Vec<u8> {
        if let Ok(seconds) = seconds.parse::<u32>() {
            sleep(seconds * S).await;
        }
        // More than a client takes that does not read.
        cx.send(vec![0; 100_000]);
        Vec::new()
    }
}

/// Opens a connection. Returns the client's end, and its task.
pub(super) fn open<H: Handler>(
    connections: &Arc<ConnectionTracker>,
    handler: H,
) -> (DuplexStream, JoinHandle<CloseReason>) {
    let permit = connections.admit(&ConnectionLimits::new(usize::MAX), None).unwrap();
    let (client, server) = duplex(256);
    (client, start(handler, H::CHECKED_DECLARATION.options, server, Some(permit)))
}

/// Reads until the close frame, and answers that. Returns its payload.
pub(super) async fn read_until_close(mut io: DuplexStream) -> Vec<u8> {
    loop {
        let opcode = io.read_u8().await.expect("a close frame before the end") & 0x0f;
        let len = match io.read_u8().await.unwrap() {
            126 => usize::from(io.read_u16().await.unwrap()),
            127 => usize::try_from(io.read_u64().await.unwrap()).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; len];
        io.read_exact(&mut payload).await.unwrap();
        if opcode == 8 {
            // The server may have given up.
            _ = io.write_all(&frame(0x88, &payload[..payload.len().min(2)])).await;
            _ = io.read(&mut [0]).await;
            return payload;
        }
    }
}

fn plan(spread: Duration, grace: Option<Duration>, timeout: Duration) -> DrainPlan {
    DrainPlan { spread, grace, timeout, close: None }
}

#[tokio::test(start_paused = true)]
async fn closes_are_spread_over_the_time() {
    let connections = Arc::<ConnectionTracker>::default();
    let clients: Vec<_> = (0..2000)
        .map(|_| {
            let (io, _) = open(&connections, Busy);
            tokio::spawn(async move {
                assert_eq!(read_until_close(io).await, [&1012_u16.to_be_bytes()[..], b"restart"].concat());
                Instant::now()
            })
        })
        .collect();
    sleep(S).await;
    assert_eq!(connections.count(None), 2000);
    let begin = Instant::now();
    let close = Some(Close::from((1012, "restart")));
    let plan = DrainPlan { close, ..plan(5 * S, None, 10 * S) };
    let (drain, refused) = tokio::join!(connections.drain(&plan), async {
        sleep(S).await;
        connections.admit(&ConnectionLimits::new(usize::MAX), None).err()
    });
    assert_eq!((drain, refused), (0, Some(LimitReached::Drain)));
    let mut by_second = [0; 6];
    for client in clients {
        by_second[(client.await.unwrap() - begin).as_secs() as usize] += 1;
    }
    // Random times: a fifth each second, far within what could happen once in a million runs.
    assert!(by_second[..5].iter().all(|closed| (300..500).contains(closed)), "{by_second:?}");
    assert_eq!(connections.count(None), 0);
}

#[tokio::test(start_paused = true)]
async fn server_with_few_connections_stops_at_once() {
    for (count, at_most) in [(0, 0), (1, 20), (100, 520)] {
        let connections = Arc::<ConnectionTracker>::default();
        for _ in 0..count {
            tokio::spawn(read_until_close(open(&connections, Busy).0));
        }
        sleep(S).await;
        let begin = Instant::now();
        assert_eq!(connections.drain(&plan(5 * S, None, 10 * S)).await, 0);
        assert!(begin.elapsed() <= Duration::from_millis(at_most), "{count}: {:?}", begin.elapsed());
    }
}

/// Sends a text to a handler. Returns when its connection has ended after the drain began, in seconds.
async fn ends_after(text: &str, reads: bool, plan: DrainPlan) -> u64 {
    let connections = Arc::<ConnectionTracker>::default();
    let (mut io, task) = open(&connections, Busy);
    io.write_all(&frame(0x81, text.as_bytes())).await.unwrap();
    sleep(S / 2).await;
    let (begin, end) = (Instant::now(), plan.timeout);
    let drain = Arc::clone(&connections);
    let drain = tokio::spawn(async move { drain.drain(&plan).await });
    let _stuck = if reads {
        tokio::spawn(read_until_close(io));
        None
    } else {
        Some(io)
    };
    assert_eq!(task.await.unwrap(), CloseReason::Shutdown);
    let ended = begin.elapsed();
    let open = drain.await.unwrap();
    // A method that is cancelled at the end of the whole time may be counted.
    assert!(open == 0 || ended >= end, "{open}");
    assert!(begin.elapsed() - ended <= S / 2, "the drain ends with its last connection");
    ended.as_secs()
}

#[tokio::test(start_paused = true)]
async fn work_gets_its_grace_and_no_more() {
    let with = |grace: u64| plan(5 * S, Some(grace as u32 * S), 60 * S);
    assert_eq!(ends_after("3", true, with(10)).await, 2, "the method completes");
    assert_eq!(ends_after("1000", true, with(10)).await, 10, "it is cancelled");
    assert_eq!(ends_after("1000", true, plan(5 * S, None, 20 * S)).await, 20);
    // The whole time bounds a grace that is longer.
    assert_eq!(ends_after("1000", true, plan(5 * S, Some(60 * S), 20 * S)).await, 20);
}

#[tokio::test(start_paused = true)]
async fn client_that_does_not_read_does_not_hold_up_the_drain() {
    // `close_timeout` is 5 s, unless the grace is shorter.
    assert_eq!(ends_after("at once", false, plan(5 * S, Some(2 * S), 60 * S)).await, 2);
    assert!(ends_after("at once", false, plan(5 * S, None, 60 * S)).await <= 10);
}

#[tokio::test(start_paused = true)]
async fn dropped_drain_closes_the_rest_at_once() {
    let connections = Arc::<ConnectionTracker>::default();
    for _ in 0..2000 {
        tokio::spawn(read_until_close(open(&connections, Busy).0));
    }
    sleep(S).await;
    assert!(timeout(S, connections.drain(&plan(5 * S, None, 60 * S))).await.is_err());
    assert!(connections.count(None) > 1000);
    let begin = Instant::now();
    connections.wait_empty().await;
    assert!(begin.elapsed() < S);
}
