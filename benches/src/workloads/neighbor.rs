//! Latency of small messages beside a client that sends large ones without a pause.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::echo::{self, Run};
use super::{Session, Workload, binary, column, text};
use crate::load::neighbor::Neighbor;
use crate::load::{Load, Offer};
use crate::servers::Mode;
use crate::usage::Cpu;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    key: "neighbor",
    title: "Latency beside a neighbor with large messages",
    about: "99 connections with 64 bytes of text, one message in flight on each, while one more client sends 1 MiB binary \
            messages without a pause and reads the echoes. Latency is that of the 99. The neighbor's echoes show what it got \
            of the server.",
    mode: Mode::Echo,
    columns: &[
        column("p99.9 µs", 0),
        column("p50 µs", 0),
        column("p99 µs", 0),
        column("messages/s", 0),
        column("neighbor's MiB/s", 0),
        column("server busy %", 0),
        column("load busy %", 0),
    ],
    run,
}];

fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let (pid, this) = (session.process.pid(), std::process::id());
    let (small, large) = (text(&[b'x'; 64]), binary(1 << 20));
    let mut load = Load::connect(session.process.port, 99, Offer::Nothing)?;
    echo::check(&mut load, &small)?;
    let payload = echo::unmasked(&large);
    let mut neighbor = Neighbor::connect(&load, large, payload)?;
    for connection in &mut load.connections {
        connection.send(&small, 1)?;
    }
    exchange(&mut load, &mut neighbor, &small, session.warm_up())?;
    let (server_then, load_then, start) = (Cpu::of(pid)?, Cpu::of(this)?, Instant::now());
    let large_then = neighbor.messages;
    let latencies = exchange(&mut load, &mut neighbor, &small, session.duration() * 2)?;
    let seconds = start.elapsed().as_secs_f64();
    let (server, load) = (Cpu::of(pid)?.since(server_then), Cpu::of(this)?.since(load_then));
    let large = (neighbor.messages - large_then) as f64;
    let messages = latencies.len() as f64;
    let run = Run::new(messages, seconds, server, load, latencies);
    Ok(vec![
        run.latency(0.999),
        run.latency(0.5),
        run.latency(0.99),
        messages / seconds,
        large / seconds,
        server.busy(seconds),
        load.busy(seconds),
    ])
}

/// Repeats the small messages for a time, and returns their latencies in nanoseconds.
fn exchange(
    load: &mut Load,
    neighbor: &mut Neighbor,
    small: &Rc<[u8]>,
    time: Duration,
) -> io::Result<Vec<u32>> {
    let mut latencies = Vec::with_capacity(1 << 20);
    let end = Instant::now() + time;
    while Instant::now() < end {
        neighbor.poll(load, |connection, _| {
            if connection.due == 0 {
                latencies.push(connection.since.elapsed().as_nanos() as u32);
                connection.send(small, 1)?;
            }
            Ok(())
        })?;
    }
    Ok(latencies)
}
