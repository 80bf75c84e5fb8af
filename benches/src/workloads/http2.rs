//! Echo over HTTP/2, in the streams of extended CONNECT requests (RFC 8441).

use std::io;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;

use super::echo::{self, Run};
use super::{MESSAGES, Session, Workload, binary, text};
use crate::load::http2::Http2Load;
use crate::servers::Mode;
use crate::usage::Cpu;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        key: "http2text64",
        title: "Echo over HTTP/2, 64 bytes of text",
        about: "10 TCP connections without TLS, 10 WebSockets on each (RFC 8441), one message in flight on each WebSocket. \
                The load uses the crate h2.",
        mode: Mode::Http2,
        columns: MESSAGES,
        run: |session| run(session, &text(&[b'x'; 64])),
    },
    Workload {
        key: "http2binary16k",
        title: "Echo over HTTP/2, 16 KiB of binary",
        about: "Like 64 bytes of text. The server's flow-control windows decide how many reads a message takes.",
        mode: Mode::Http2,
        columns: MESSAGES,
        run: |session| run(session, &binary(16 << 10)),
    },
];

fn run(session: &Session<'_>, frame: &Rc<[u8]>) -> io::Result<Vec<f64>> {
    let (pid, this) = (session.process.pid(), std::process::id());
    let bytes = Bytes::copy_from_slice(frame);
    let mut load = Http2Load::connect(session.process.port, 10, 10)?;
    echo::compare(&load.request(&bytes)?, &echo::unmasked(frame))?;
    load.run(&bytes, session.warm_up())?;
    let (server_then, load_then, start) = (Cpu::of(pid)?, Cpu::of(this)?, Instant::now());
    let latencies = load.run(&bytes, session.duration())?;
    let seconds = start.elapsed().as_secs_f64();
    let (server, load) = (Cpu::of(pid)?.since(server_then), Cpu::of(this)?.since(load_then));
    Ok(Run::new(latencies.len() as f64, seconds, server, load, latencies).figures())
}
