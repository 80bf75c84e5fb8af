//! Messages from another task to the connections.

use std::io;

use super::{Session, Workload, column, echo, text};
use crate::load::{Load, Offer};
use crate::servers::Mode;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    key: "info",
    title: "Messages from the rest of the program",
    about: "A task sends 512 small messages to a connection, which counts them and answers after the last; 8 connections \
            at a time.",
    mode: Mode::Info,
    columns: &[column("CPU µs", 3), column("user", 3), column("system", 3), column("messages/s", 0)],
    run,
}];

/// Messages per burst, below the capacity of every mailbox here.
pub(crate) const BURST: u32 = 512;

fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let mut load = Load::connect(session.process.port, 8, Offer::Nothing)?;
    let burst = text(BURST.to_string().as_bytes());
    if load.request(0, &burst, 1)? != BURST.to_string().as_bytes() {
        return Err(io::Error::other("the server did not receive the whole burst"));
    }
    let (warm_up, duration) = (session.warm_up(), session.duration());
    let run = echo::run(&mut load, session.process.pid(), &burst, 1, warm_up, duration)?;
    let mut figures = run.figures();
    figures.truncate(4);
    for figure in &mut figures[..3] {
        *figure /= f64::from(BURST);
    }
    figures[3] *= f64::from(BURST);
    Ok(figures)
}
