//! Echo: every connection sends, waits for the answer, and repeats.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{MESSAGES, Session, Workload, binary, text};
use crate::load::{Load, Offer};
use crate::servers::Mode;
use crate::usage::Cpu;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        key: "text64",
        title: "Echo, 64 bytes of text",
        about: "100 connections, one message in flight on each.",
        mode: Mode::Echo,
        columns: MESSAGES,
        run: |session| plain(session, 100, &text(&[b'x'; 64]), 1),
    },
    Workload {
        key: "text64x16",
        title: "Echo, 64 bytes of text, 16 in flight",
        about: "100 connections; 16 messages in one write, the next 16 after all answers. Latency is that of the sixteenth.",
        mode: Mode::Echo,
        columns: MESSAGES,
        run: |session| plain(session, 100, &text(&[b'x'; 64]), 16),
    },
    Workload {
        key: "binary16k",
        title: "Echo, 16 KiB of binary",
        about: "100 connections, one message in flight on each.",
        mode: Mode::Echo,
        columns: MESSAGES,
        run: |session| plain(session, 100, &binary(16 << 10), 1),
    },
    Workload {
        key: "binary1m",
        title: "Echo, 1 MiB of binary",
        about: "4 connections, one message in flight on each.",
        mode: Mode::Echo,
        columns: MESSAGES,
        run: |session| plain(session, 4, &binary(1 << 20), 1),
    },
];

/// Cost of a run of messages.
pub(crate) struct Run {
    messages: f64,
    seconds: f64,
    server: Cpu,
    load: Cpu,
    /// Nanoseconds from a send to its last answer, sorted.
    latencies: Vec<u32>,
}

impl Run {
    /// Returns the cost of a run whose latencies are in any order.
    pub(crate) fn new(messages: f64, seconds: f64, server: Cpu, load: Cpu, mut latencies: Vec<u32>) -> Self {
        latencies.sort_unstable();
        Self { messages, seconds, server, load, latencies }
    }

    /// Returns the server's CPU time per message in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        self.server.ran / self.messages / 1e3
    }

    /// Returns the latency in microseconds below which this share of the messages was answered.
    pub(crate) fn latency(&self, share: f64) -> f64 {
        let at = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(at).map_or(f64::NAN, |nanos| f64::from(*nanos) / 1e3)
    }

    pub(crate) fn figures(&self) -> Vec<f64> {
        vec![
            self.cpu(),
            self.server.user() / self.messages / 1e3,
            self.server.system() / self.messages / 1e3,
            self.messages / self.seconds,
            self.latency(0.5),
            self.latency(0.99),
            self.latency(0.999),
            self.server.busy(self.seconds),
            self.load.ran / self.messages / 1e3,
        ]
    }
}

/// Sends `bytes` repeatedly on all connections. The server answers each with `answers` messages.
pub(crate) fn run(
    load: &mut Load,
    server: u32,
    bytes: &Rc<[u8]>,
    answers: u32,
    warm_up: Duration,
    duration: Duration,
) -> io::Result<Run> {
    run_each(load, server, |_| bytes, answers, warm_up, duration)
}

/// Like [`run`], but `next` returns the bytes of a connection by the number that it has sent before.
pub(crate) fn run_each<'a>(
    load: &mut Load,
    server: u32,
    next: impl Fn(usize) -> &'a Rc<[u8]>,
    answers: u32,
    warm_up: Duration,
    duration: Duration,
) -> io::Result<Run> {
    let mut latencies = Vec::with_capacity(1 << 20);
    let mut messages = 0_u64;
    for connection in &mut load.connections {
        connection.send(next(connection.sent), answers)?;
    }
    rounds(load, warm_up, &next, answers, &mut messages, &mut Vec::new())?;
    messages = 0;
    let (server_then, load_then, start) = (Cpu::of(server)?, Cpu::of(std::process::id())?, Instant::now());
    rounds(load, duration, &next, answers, &mut messages, &mut latencies)?;
    let seconds = start.elapsed().as_secs_f64();
    let (server, load_cpu) =
        (Cpu::of(server)?.since(server_then), Cpu::of(std::process::id())?.since(load_then));
    load.settle()?;
    Ok(Run::new(messages as f64, seconds, server, load_cpu, latencies))
}

fn rounds<'a>(
    load: &mut Load,
    duration: Duration,
    next: &impl Fn(usize) -> &'a Rc<[u8]>,
    answers: u32,
    messages: &mut u64,
    latencies: &mut Vec<u32>,
) -> io::Result<()> {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        load.poll(Duration::from_millis(100), |connection, seen| {
            *messages += u64::from(seen);
            if connection.due == 0 {
                latencies.push(connection.since.elapsed().as_nanos() as u32);
                connection.send(next(connection.sent), answers)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Fails unless the server echoes the payload of a frame.
pub(crate) fn check(load: &mut Load, bytes: &Rc<[u8]>) -> io::Result<()> {
    compare(&load.request(0, bytes, 1)?, &unmasked(bytes))
}

/// Fails unless an answer is the payload.
pub(crate) fn compare(echo: &[u8], payload: &[u8]) -> io::Result<()> {
    if echo == payload { Ok(()) } else { Err(io::Error::other("this is no echo")) }
}

fn plain(session: &Session<'_>, connections: usize, bytes: &Rc<[u8]>, count: u32) -> io::Result<Vec<f64>> {
    let mut load = Load::connect(session.process.port, connections, Offer::Nothing)?;
    check(&mut load, bytes)?;
    let many: Rc<[u8]> = bytes.repeat(count as usize).into();
    let pid = session.process.pid();
    Ok(run(&mut load, pid, &many, count, session.warm_up(), session.duration())?.figures())
}

/// Returns the payload of a client's frame.
pub(crate) fn unmasked(bytes: &[u8]) -> Vec<u8> {
    let header = match bytes[1] & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let (key, payload) = bytes[header..].split_at(4);
    payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}
