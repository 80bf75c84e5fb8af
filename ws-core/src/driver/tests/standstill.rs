//! Time limits after a time in which the process stood still: the client's bytes have arrived, and the I/O driver
//! has not reported them yet.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use super::peer::{Log, frame, options};
use crate::clock::now;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::handler::Handler;
use crate::prelude::*;
use crate::transport::{RuntimeTimer, Transport};
use crate::wire::Connection;

/// When a stream reports input that has arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Report {
    /// To the first read.
    AtOnce,
    /// To the first read. Another task reads the socket.
    Elsewhere,
    /// After a pass of the I/O driver and one task after it.
    AfterPass,
    /// After this time. Meanwhile the stream can say that it has input which no read has found.
    Later(Duration),
}

/// A stream that reports its input late and wakes nothing.
struct Late {
    /// Frames with the times of their arrival.
    input: VecDeque<(Instant, Vec<u8>)>,
    report: Report,
    /// Whether the input that has arrived is reported, if a read has missed it.
    is_reported: Option<Arc<AtomicBool>>,
    shut_down: Arc<AtomicBool>,
}

impl Late {
    fn new(input: &[(Duration, Vec<u8>)], report: Report) -> Self {
        let input = input.iter().map(|(after, bytes)| (Instant::now() + *after, bytes.clone())).collect();
        Self { input, report, is_reported: None, shut_down: Arc::default() }
    }

    fn has_arrived(&self, delay: Duration) -> bool {
        self.input.front().is_some_and(|(at, _)| *at + delay <= Instant::now())
    }

    fn is_reported(&mut self) -> bool {
        match self.report {
            Report::AtOnce | Report::Elsewhere => true,
            Report::Later(delay) => self.has_arrived(delay),
            Report::AfterPass => {
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
    }
}

impl AsyncRead for Late {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_arrived(Duration::ZERO) || !self.is_reported() {
            return Poll::Pending;
        }
        self.is_reported = None;
        let (_, bytes) = self.input.pop_front().expect("input that has arrived");
        to.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Late {
    fn poll_write(self: Pin<&mut Self>, _: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.shut_down.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl Transport for Late {
    type Timer = RuntimeTimer;

    fn has_unread_input(&self) -> Option<bool> {
        if self.report == Report::Elsewhere {
            return None;
        }
        Some(matches!(self.report, Report::Later(_)) && self.has_arrived(Duration::ZERO))
    }
}

const MS: Duration = Duration::from_millis(1);

macro_rules! handlers {
    ($($name:ident ($($options:tt)*))*) => {$(
        #[websocket($($options)*)]
        struct $name(Log, Instant);

        #[websocket]
        impl $name {
            #[on_text]
            async fn wait(&mut self, _: &str) {
                tokio::time::sleep(Duration::from_secs(100)).await;
            }

            #[on_binary]
            fn close(&mut self, _: &[u8]) -> Close {
                Close::from(4000)
            }

            #[on_close]
            fn closed(&mut self, reason: &CloseReason) {
                self.0.send(format!("{reason:?} {}", self.1.elapsed().as_secs())).unwrap();
            }
        }
    )*};
}

handlers! {
    Idle(idle_timeout = 2s, cancel_timeout = 1s, close_timeout = 3s)
    Pinged(ping_interval = 1s, pong_timeout = 1s, idle_timeout = none, close_timeout = 3s)
    Expiring(max_lifetime = 3s, idle_timeout = none, close_timeout = 3s)
}

/// Runs a handler to its end. Returns its log, the seconds until the stream was closed, and whether it was shut
/// down in order.
async fn outcome<H: Handler>(make: impl FnOnce(Log, Instant) -> H, io: Late) -> (String, u64, bool) {
    let (log, mut events) = unbounded_channel();
    let (start, shut_down) = (Instant::now(), Arc::clone(&io.shut_down));
    let cx = Cx::new(Connection::new(options::<H>(|_| {}).into(), Vec::new(), now()), None, None);
    run(make(log, start), cx, io, None).await;
    (events.recv().await.unwrap(), start.elapsed().as_secs(), shut_down.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn bytes_that_arrived_before_the_deadline_count_whenever_they_are_read() {
    let pong = || (1900 * MS, frame(0x8a, b""));
    for report in [Report::AtOnce, Report::AfterPass] {
        let idle = outcome(Idle, Late::new(&[pong()], report)).await;
        assert_eq!((&*idle.0, idle.1), ("Timeout 4", 7), "{report:?}");
        // The ping is due after a second, and its answer two seconds after the start.
        let pinged = outcome(Pinged, Late::new(&[pong()], report)).await;
        assert_eq!((&*pinged.0, pinged.1), ("PongTimeout 4", 7), "{report:?}");
        // A text that is reported late is read at the idle timeout. The method may run for a second after it.
        let text = (Duration::ZERO, frame(0x81, b""));
        let pending = outcome(Idle, Late::new(&[text, pong()], report)).await;
        assert_eq!(pending.0, if report == Report::AtOnce { "Timeout 5" } else { "Timeout 7" }, "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn close_frame_that_arrived_before_the_deadline_completes_the_handshake() {
    for report in [Report::AfterPass, Report::Later(2000 * MS)] {
        // The frame that closes is read at the idle timeout, two seconds after the start.
        let close = (4900 * MS, frame(0x88, &4000_u16.to_be_bytes()));
        let closed = outcome(Idle, Late::new(&[(Duration::ZERO, frame(0x82, b"")), close], report)).await;
        assert!(closed.0.starts_with("Stop") && closed.2, "{report:?}: {closed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn socket_with_unread_bytes_is_not_idle() {
    let io = Late::new(&[(1900 * MS, frame(0x8a, b""))], Report::Later(3000 * MS));
    assert_eq!(outcome(Idle, io).await.0, "Timeout 8");
}

#[tokio::test(start_paused = true)]
async fn stream_whose_socket_another_task_reads_has_its_time_again_after_a_standstill() {
    for (late, expected) in [(90, "Timeout 2"), (100, "Timeout 4"), (4000, "Timeout 8")] {
        let (log, mut events) = unbounded_channel();
        let io = Late::new(&[], Report::Elsewhere);
        let cx = Cx::new(Connection::new(options::<Idle>(|_| {}).into(), Vec::new(), now()), None, None);
        tokio::spawn(run(Idle(log, Instant::now()), cx, io, None));
        tokio::time::sleep(1000 * MS).await;
        tokio::time::advance(1000 * MS + late * MS).await;
        assert_eq!(events.recv().await.unwrap(), expected, "{late} ms late");
    }
}

#[tokio::test(start_paused = true)]
async fn unread_bytes_prolong_neither_the_lifetime_nor_the_close_for_long() {
    let io = Late::new(&[(1000 * MS, frame(0x8a, b""))], Report::Later(1_000_000 * MS));
    // The wait for the client's close frame takes its time limit twice.
    assert_eq!(outcome(Expiring, io).await, ("Expired 3".into(), 9, false));
}
