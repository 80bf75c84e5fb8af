//! Short connections.

use std::io::{self, Read, Write};
use std::time::Instant;

use super::{Session, Workload, column};
use crate::load::{CLOSE, Offer, accepted, frame, request, tcp};
use crate::servers::Mode;
use crate::usage::Cpu;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    key: "connect",
    title: "Connections",
    about: "TCP connect, handshake, close frames of both sides; 32 at a time.",
    mode: Mode::Echo,
    columns: &[column("CPU µs", 1), column("user", 1), column("system", 1), column("connections/s", 0)],
    run,
}];

pub(crate) const AT_A_TIME: u32 = 32;

fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let (pid, port) = (session.process.pid(), session.process.port);
    let close = frame(CLOSE, &1000_u16.to_be_bytes());
    let mut number = 0;
    let warm = Instant::now();
    while warm.elapsed() < session.warm_up() {
        come_and_go(port, &mut number, &close)?;
    }
    let (then, start, first) = (Cpu::of(pid)?, Instant::now(), number);
    while start.elapsed() < session.duration() {
        come_and_go(port, &mut number, &close)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let (cpu, count) = (Cpu::of(pid)?.since(then), (number - first) as f64);
    let each = |nanos: f64| nanos / count / 1e3;
    Ok(vec![each(cpu.ran), each(cpu.user()), each(cpu.system()), count / seconds])
}

/// Opens and closes [`AT_A_TIME`] connections, `count` times.
pub(crate) fn again(port: u16, count: usize) -> io::Result<()> {
    let close = frame(CLOSE, &1000_u16.to_be_bytes());
    let mut number = 0;
    (0..count).try_for_each(|_| come_and_go(port, &mut number, &close))
}

fn come_and_go(port: u16, number: &mut usize, close: &[u8]) -> io::Result<()> {
    let mut sockets = Vec::with_capacity(AT_A_TIME as usize);
    for _ in 0..AT_A_TIME {
        let mut socket = tcp(port, *number)?;
        request(&mut socket, Offer::Nothing)?;
        sockets.push(socket);
        *number += 1;
    }
    for socket in &mut sockets {
        accepted(socket, Offer::Nothing)?;
        socket.write_all(close)?;
    }
    let mut buf = [0; 128];
    for socket in &mut sockets {
        // The close reply, or an abrupt end. Some servers then wait for the client to close TCP.
        let _ = socket.read(&mut buf);
    }
    Ok(())
}
