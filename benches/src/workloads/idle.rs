//! Memory of connections that wait.

use std::io;
use std::thread;
use std::time::Duration;

use super::{Session, binary, text};
use crate::load::{Load, Offer};
use crate::usage::rss;

/// Those that came before: what is allocated once is no cost of a connection.
const FIRST: usize = 100;

pub(super) fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let count = if session.quick { 1_000 } else { 10_000 };
    let (pid, port) = (session.process.pid(), session.process.port);
    let small = text(&[b'x'; 64]);
    let large = binary(64 << 10);
    // The first ones do everything beforehand, so that the buffers of the process itself are there.
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

/// The RSS when the server has done what it had to do.
pub(crate) fn settled(pid: u32) -> io::Result<f64> {
    thread::sleep(Duration::from_millis(300));
    rss(pid)
}
