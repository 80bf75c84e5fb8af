//! Echo: every connection sends, waits for the answer, and repeats.

use std::io;
use std::io::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{DeflateDecoder, DeflateEncoder};

use super::{Session, binary, json, text};
use crate::load::{Load, Offer, RSV1, TEXT, frame};
use crate::usage::Cpu;

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
    /// Returns the server's CPU time per message in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        self.server.ran / self.messages / 1e3
    }

    fn latency(&self, share: f64) -> f64 {
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
    let mut latencies = Vec::with_capacity(1 << 20);
    let mut messages = 0_u64;
    for connection in &mut load.connections {
        connection.send(bytes, answers)?;
    }
    rounds(load, warm_up, bytes, answers, &mut messages, &mut Vec::new())?;
    messages = 0;
    let (server_then, load_then, start) = (Cpu::of(server)?, Cpu::of(std::process::id())?, Instant::now());
    rounds(load, duration, bytes, answers, &mut messages, &mut latencies)?;
    let seconds = start.elapsed().as_secs_f64();
    let (server, load_cpu) =
        (Cpu::of(server)?.since(server_then), Cpu::of(std::process::id())?.since(load_then));
    load.settle()?;
    latencies.sort_unstable();
    Ok(Run { messages: messages as f64, seconds, server, load: load_cpu, latencies })
}

fn rounds(
    load: &mut Load,
    duration: Duration,
    bytes: &Rc<[u8]>,
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
                connection.send(bytes, answers)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Fails unless the server echoes the payload.
fn check(load: &mut Load, bytes: &Rc<[u8]>, payload: &[u8]) -> io::Result<()> {
    let echo = load.request(0, bytes, 1)?;
    if echo == payload { Ok(()) } else { Err(io::Error::other("this is no echo")) }
}

fn plain(session: &Session<'_>, connections: usize, bytes: &Rc<[u8]>, count: u32) -> io::Result<Vec<f64>> {
    let mut load = Load::connect(session.process.port, connections, Offer::Nothing)?;
    check(&mut load, bytes, &unmasked(bytes))?;
    let many: Rc<[u8]> = bytes.repeat(count as usize).into();
    let pid = session.process.pid();
    Ok(run(&mut load, pid, &many, count, session.warm_up(), session.duration())?.figures())
}

/// Returns the payload of a frame from [`frame`].
fn unmasked(bytes: &[u8]) -> Vec<u8> {
    let header = match bytes[1] & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let (key, payload) = bytes[header..].split_at(4);
    payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

pub(super) fn text64(session: &Session<'_>) -> io::Result<Vec<f64>> {
    plain(session, 100, &text(&[b'x'; 64]), 1)
}

pub(super) fn text64x16(session: &Session<'_>) -> io::Result<Vec<f64>> {
    plain(session, 100, &text(&[b'x'; 64]), 16)
}

pub(super) fn binary16k(session: &Session<'_>) -> io::Result<Vec<f64>> {
    plain(session, 100, &binary(16 << 10), 1)
}

pub(super) fn binary1m(session: &Session<'_>) -> io::Result<Vec<f64>> {
    plain(session, 4, &binary(1 << 20), 1)
}

/// Returns a compressed message without context (RFC 7692 §7.2.1).
pub(crate) fn compressed(payload: &[u8]) -> io::Result<Rc<[u8]>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(payload)?;
    encoder.flush()?;
    let data = encoder.get_ref();
    Ok(frame(RSV1 | TEXT, &data[..data.len() - 4]).into())
}

pub(super) fn deflate1k(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let json = json(1024);
    let bytes = compressed(json.as_bytes())?;
    let mut load = Load::connect(session.process.port, 100, Offer::Deflate)?;
    let echo = load.request(0, &bytes, 1)?;
    let mut decoder = DeflateDecoder::new(Vec::new());
    decoder.write_all(&[&echo[..], &[0, 0, 0xff, 0xff]].concat())?;
    decoder.flush()?;
    if decoder.get_ref() != json.as_bytes() {
        return Err(io::Error::other("this is no echo"));
    }
    let pid = session.process.pid();
    let run = run(&mut load, pid, &bytes, 1, session.warm_up(), session.duration())?;
    let mut figures = run.figures();
    figures.push(echo.len() as f64);
    Ok(figures)
}
