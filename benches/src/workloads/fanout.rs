//! Fan-out: one client sends, all clients receive.

use std::io;
use std::time::{Duration, Instant};

use super::{Column, Session, Workload, column, text};
use crate::load::{Load, Offer};
use crate::servers::Mode;
use crate::usage::Cpu;

const COLUMNS: &[Column] = &[
    column("CPU µs", 2),
    column("user", 2),
    column("system", 2),
    column("deliveries/s", 0),
    column("last has it after ms, p50", 1),
    column("server busy %", 0),
    column("load CPU µs", 2),
];

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        key: "fanout1k",
        title: "Fan-out to 1,000",
        about: "One client sends 64 bytes to all; the next message follows when all have received it. Figures are per delivery.",
        mode: Mode::Fanout,
        columns: COLUMNS,
        run: |session| to(session, 1_000),
    },
    Workload {
        key: "fanout10k",
        title: "Fan-out to 10,000",
        about: "Like fan-out to 1,000.",
        mode: Mode::Fanout,
        columns: COLUMNS,
        run: |session| to(session, if session.quick { 3_000 } else { 10_000 }),
    },
];

pub(crate) fn to(session: &Session<'_>, count: usize) -> io::Result<Vec<f64>> {
    let pid = session.process.pid();
    let mut load = Load::connect(session.process.port, count, Offer::Nothing)?;
    settle();
    let warm = Instant::now();
    while warm.elapsed() < session.warm_up() {
        publish(&mut load)?;
    }
    let mut took = Vec::new();
    let (then, load_then, start) = (Cpu::of(pid)?, Cpu::of(std::process::id())?, Instant::now());
    while start.elapsed() < session.duration() {
        took.push(publish(&mut load)?.as_secs_f64());
    }
    let seconds = start.elapsed().as_secs_f64();
    let (cpu, load) = (Cpu::of(pid)?.since(then), Cpu::of(std::process::id())?.since(load_then));
    let deliveries = (took.len() * count) as f64;
    took.sort_unstable_by(f64::total_cmp);
    let each = |nanos: f64| nanos / deliveries / 1e3;
    Ok(vec![
        each(cpu.ran),
        each(cpu.user()),
        each(cpu.system()),
        deliveries / seconds,
        took[took.len() / 2] * 1e3,
        cpu.busy(seconds),
        each(load.ran),
    ])
}

/// Gives all guests time to subscribe. A guest subscribes after its handshake, so the last one may not have
/// subscribed when its handshake completes.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(500));
}

/// Sends a message and waits until all clients have received it.
pub(crate) fn publish(load: &mut Load) -> io::Result<Duration> {
    let start = Instant::now();
    let mut missing = load.connections.len();
    // All connections receive the message, so the counts per connection do not apply.
    load.connections[0].send(&text(&[b'x'; 64]), 0)?;
    while missing > 0 {
        load.poll(Duration::from_secs(10), |_, messages| {
            missing = missing.saturating_sub(messages as usize);
            Ok(())
        })?;
        if start.elapsed() > Duration::from_secs(60) {
            return Err(io::Error::other(format!("{missing} clients did not receive the message")));
        }
    }
    Ok(start.elapsed())
}
