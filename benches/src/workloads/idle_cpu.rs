//! CPU time of a server whose clients are silent.

use std::io;
use std::time::{Duration, Instant};

use super::{Session, Workload, column, echo, text};
use crate::load::{Load, Offer};
use crate::servers::Mode;
use crate::usage::Cpu;

pub(super) const KEY: &str = "idlecpu";

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    key: KEY,
    title: "CPU of 19,000 idle connections",
    about: "Milliseconds of CPU per second, over 25 seconds in which 19,000 clients send nothing but pongs; one round. \
            Every server has its defaults. This project pings a client after 25 seconds of silence, so each connection gets one \
            ping in that time, and counts 60 seconds to its end (`idle_timeout`).",
    mode: Mode::Echo,
    columns: &[column("CPU ms/s", 3), column("pings/s", 0)],
    run,
}];

/// The number of connections that open between two looks at the pings.
const AT_A_TIME: usize = 500;

fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let (count, time) = if session.quick { (2_000, 3) } else { (19_000, 25) };
    let pid = session.process.pid();
    let port = session.process.port;
    let mut load = Load::connect(port, 0, Offer::Nothing)?;
    for _ in 0..count / AT_A_TIME {
        load.add(port, AT_A_TIME, Offer::Nothing)?;
        // ezsockets pings every five seconds, and closes a connection that is silent for ten.
        wait(&mut load, Duration::from_millis(5))?;
    }
    wait(&mut load, Duration::from_millis(500))?;
    let (then, pings_then, start) = (Cpu::of(pid)?, pings(&load), Instant::now());
    wait(&mut load, Duration::from_secs(time))?;
    let (cpu, seconds) = (Cpu::of(pid)?.since(then), start.elapsed().as_secs_f64());
    let pings = pings(&load) - pings_then;
    echo::check(&mut load, &text(&[b'x'; 64]))?;
    Ok(vec![cpu.ran / seconds / 1e6, pings / seconds])
}

/// Answers pings for a time. Fails if the server closes a connection.
fn wait(load: &mut Load, time: Duration) -> io::Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        load.poll(Duration::from_millis(50), |_, _| Ok(()))?;
    }
    Ok(())
}

fn pings(load: &Load) -> f64 {
    load.connections.iter().map(|connection| f64::from(connection.parser.pings)).sum()
}
