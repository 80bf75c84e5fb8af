//! Workloads: each is a function from a running server to a row of figures.

pub(crate) mod connect;
mod connect_at_once;
pub(crate) mod deflate;
pub(crate) mod echo;
pub(crate) mod fanout;
#[cfg(feature = "peers")]
mod http2;
pub(crate) mod idle;
mod idle_cpu;
pub(crate) mod info;
mod neighbor;
#[cfg(feature = "peers")]
mod orders;
pub(crate) mod rpc;
mod timer;
#[cfg(feature = "peers")]
mod tls;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::load::{BINARY, TEXT, frame};
use crate::process::Process;
use crate::servers::Mode;

pub(crate) struct Workload {
    /// Name on the command line.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    /// Paragraph under the title: the messages, and the meaning of the figures.
    pub(crate) about: &'static str,
    pub(crate) mode: Mode,
    /// Columns that [`Workload::run`] returns. The first one is compared with other servers.
    pub(crate) columns: &'static [Column],
    pub(crate) run: fn(&Session<'_>) -> io::Result<Vec<f64>>,
}

impl Workload {
    /// Returns whether a run takes so long that there is one for each server, whatever the number of rounds.
    pub(crate) fn runs_once(&self) -> bool {
        self.key == idle_cpu::KEY
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Decimal places.
    pub(crate) digits: usize,
}

const fn column(title: &'static str, digits: usize) -> Column {
    Column { title, digits }
}

/// A fresh server process, and the length of the run.
pub(crate) struct Session<'a> {
    pub(crate) process: &'a Process,
    pub(crate) quick: bool,
}

impl Session<'_> {
    /// Returns the duration of the measurement.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 700 })
    }

    /// Returns the duration of the warm-up, which excludes one-time work.
    pub(crate) fn warm_up(&self) -> Duration {
        self.duration() / 5
    }
}

/// Returns JSON of a typical application, of `len` bytes.
pub(crate) fn json(len: usize) -> String {
    json_from(0, len)
}

/// Like [`json`], with the items from a number on.
fn json_from(first: u32, len: usize) -> String {
    let mut text = String::from(r#"{"items":["#);
    for id in first.. {
        let price = id.wrapping_mul(2_654_435_761) % 100_000;
        let item = format!(r#"{{"id":{id},"name":"item {id}","price":{price},"tags":["new","sale"]}},"#);
        if text.len() + item.len() + 3 > len {
            break;
        }
        text += &item;
    }
    text.pop();
    text += "]}";
    let padding = " ".repeat(len.saturating_sub(text.len()));
    text + &padding
}

/// Returns a text frame that can be sent repeatedly.
pub(crate) fn text(payload: &[u8]) -> Rc<[u8]> {
    frame(TEXT, payload).into()
}

pub(crate) fn binary(len: usize) -> Rc<[u8]> {
    let payload: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
    frame(BINARY, &payload).into()
}

const MESSAGES: &[Column] = &[
    column("CPU µs", 2),
    column("user", 2),
    column("system", 2),
    column("messages/s", 0),
    column("p50 µs", 0),
    column("p99 µs", 0),
    column("p99.9 µs", 0),
    column("server busy %", 0),
    column("load CPU µs", 2),
];

/// All workloads by subject, in the order of the tables.
const SUBJECTS: &[&[Workload]] = &[
    echo::WORKLOADS,
    deflate::WORKLOADS,
    #[cfg(feature = "peers")]
    tls::WORKLOADS,
    #[cfg(feature = "peers")]
    http2::WORKLOADS,
    #[cfg(feature = "peers")]
    orders::WORKLOADS,
    rpc::WORKLOADS,
    idle::WORKLOADS,
    idle_cpu::WORKLOADS,
    connect::WORKLOADS,
    connect_at_once::WORKLOADS,
    fanout::WORKLOADS,
    timer::WORKLOADS,
    info::WORKLOADS,
    neighbor::WORKLOADS,
];

/// Returns all workloads, in the order of the tables.
pub(crate) fn workloads() -> impl Iterator<Item = &'static Workload> {
    SUBJECTS.iter().copied().flatten()
}
