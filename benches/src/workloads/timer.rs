//! Connections with a timer each, and silent clients.

use std::io;
use std::thread;
use std::time::Instant;

use super::{Session, Workload, column, text};
use crate::load::{Load, Offer};
use crate::servers::Mode;
use crate::usage::Cpu;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    key: "timer",
    title: "A timer in each connection",
    about: "5,000 connections, each with a timer of 100 ms that counts; CPU per tick.",
    mode: Mode::Timer,
    columns: &[column("CPU µs", 3), column("user", 3), column("system", 3), column("ticks/s", 0)],
    run,
}];

fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let count = if session.quick { 1_000 } else { 5_000 };
    let pid = session.process.pid();
    let mut load = Load::connect(session.process.port, count, Offer::Nothing)?;
    thread::sleep(session.warm_up());
    let ticks_then = ticks(&mut load)?;
    let (then, start) = (Cpu::of(pid)?, Instant::now());
    thread::sleep(session.duration());
    let (cpu, seconds) = (Cpu::of(pid)?.since(then), start.elapsed().as_secs_f64());
    let ticks = ticks(&mut load)? - ticks_then;
    let each = |nanos: f64| nanos / ticks / 1e3;
    Ok(vec![each(cpu.ran), each(cpu.user()), each(cpu.system()), ticks / seconds])
}

/// Returns the number of ticks, extrapolated from some of the connections.
fn ticks(load: &mut Load) -> io::Result<f64> {
    let (all, asked) = (load.connections.len(), 50);
    let mut sum = 0.0;
    for number in (0..all).step_by(all / asked) {
        let answer = load.request(number, &text(b"?"), 1)?;
        let ticks = String::from_utf8_lossy(&answer).parse::<f64>();
        sum += ticks.map_err(|_| io::Error::other("the answer is not a number"))?;
    }
    Ok(sum * all as f64 / all.div_ceil(all / asked) as f64)
}
