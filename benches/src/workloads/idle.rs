//! Memory of idle connections.

use std::io;
use std::thread;
use std::time::Duration;

use super::{Session, Workload, binary, column, text};
use crate::load::{Load, Offer};
use crate::servers::Mode;
use crate::usage::rss;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    key: "idle",
    title: "Memory of an idle connection",
    about: "Bytes of RSS per connection, over that of the same process with 100 connections that did the same: \
            right after the handshake, after one 64-byte message each, after one of 64 KiB each.",
    mode: Mode::Echo,
    columns: &[column("connected", 0), column("after 64 B", 0), column("after 64 KiB", 0)],
    run,
}];

/// Connections before the measurement, so that one-time allocations are not counted.
const FIRST: usize = 100;

fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let count = if session.quick { 1_000 } else { 10_000 };
    let (pid, port) = (session.process.pid(), session.process.port);
    let small = text(&[b'x'; 64]);
    let large = binary(64 << 10);
    // The first connections make the process allocate its own buffers.
    let mut first = Load::connect(port, FIRST, Offer::Nothing)?;
    first.each(&small, 1)?;
    first.each(&large, 1)?;
    let before = settled(pid)?;
    let mut load = Load::connect(port, count, Offer::Nothing)?;
    let connected = settled(pid)?;
    load.each(&small, 1)?;
    let after_small = settled(pid)?;
    load.each(&large, 1)?;
    let after_large = settled(pid)?;
    let each = |rss: f64| (rss - before) / count as f64;
    Ok(vec![each(connected), each(after_small), each(after_large)])
}

/// Returns the RSS after a pause in which the server completes its work.
pub(crate) fn settled(pid: u32) -> io::Result<f64> {
    thread::sleep(Duration::from_millis(300));
    rss(pid)
}
