//! Echo inside TLS 1.3.

use std::io;
use std::rc::Rc;

use super::{MESSAGES, Session, Workload, binary, echo, text};
use crate::load::Load;
use crate::servers::Mode;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        key: "tls64",
        title: "Echo inside TLS, 64 bytes of text",
        about: "100 connections with TLS 1.3, one message in flight on each. rustls with ring on both sides.",
        mode: Mode::Tls,
        columns: MESSAGES,
        run: |session| run(session, &text(&[b'x'; 64])),
    },
    Workload {
        key: "tls16k",
        title: "Echo inside TLS, 16 KiB of binary",
        about: "100 connections with TLS 1.3, one message in flight on each.",
        mode: Mode::Tls,
        columns: MESSAGES,
        run: |session| run(session, &binary(16 << 10)),
    },
];

fn run(session: &Session<'_>, bytes: &Rc<[u8]>) -> io::Result<Vec<f64>> {
    let mut load = Load::connect_tls(session.process.port, 100)?;
    echo::check(&mut load, bytes)?;
    let pid = session.process.pid();
    Ok(echo::run(&mut load, pid, bytes, 1, session.warm_up(), session.duration())?.figures())
}
