//! What is measured, and how: each workload is a function from a server that runs to a row of figures.

pub(crate) mod connect;
pub(crate) mod echo;
pub(crate) mod fanout;
pub(crate) mod idle;
pub(crate) mod info;
mod timer;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::load::{BINARY, TEXT, frame};
use crate::process::Process;
use crate::servers::Mode;

pub(crate) struct Workload {
    /// Its name on the command line.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    /// What is sent, and what a figure means, under the title.
    pub(crate) about: &'static str,
    pub(crate) mode: Mode,
    /// What [`Workload::run`] returns, in this order. The first is compared.
    pub(crate) columns: &'static [Column],
    pub(crate) run: fn(&Session<'_>) -> io::Result<Vec<f64>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Digits after the point.
    pub(crate) digits: usize,
}

const fn column(title: &'static str, digits: usize) -> Column {
    Column { title, digits }
}

/// A server, freshly started, and how much is to be done with it.
pub(crate) struct Session<'a> {
    pub(crate) process: &'a Process,
    pub(crate) quick: bool,
}

impl Session<'_> {
    /// How long to measure.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 1500 })
    }

    /// How long to run before that, so that what is done once is done.
    pub(crate) fn warm_up(&self) -> Duration {
        self.duration() / 5
    }
}

/// A text as applications send them.
pub(crate) fn json(len: usize) -> String {
    let mut text = String::from(r#"{"items":["#);
    for id in 0_u32.. {
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

/// A frame, ready to be sent as often as one likes.
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

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload {
        key: "text64",
        title: "Echo, 64 bytes of text",
        about: "100 connections, one message in flight on each.",
        mode: Mode::Echo,
        columns: MESSAGES,
        run: echo::text64,
    },
    Workload {
        key: "text64x16",
        title: "Echo, 64 bytes of text, 16 in flight",
        about: "100 connections; 16 messages leave in one write, and the next 16 when all are back. Latency is that of the \
                sixteenth.",
        mode: Mode::Echo,
        columns: MESSAGES,
        run: echo::text64x16,
    },
    Workload {
        key: "binary16k",
        title: "Echo, 16 KiB of binary",
        about: "100 connections, one message in flight on each.",
        mode: Mode::Echo,
        columns: MESSAGES,
        run: echo::binary16k,
    },
    Workload {
        key: "binary1m",
        title: "Echo, 1 MiB of binary",
        about: "4 connections, one message in flight on each.",
        mode: Mode::Echo,
        columns: MESSAGES,
        run: echo::binary1m,
    },
    Workload {
        key: "deflate1k",
        title: "Echo, 1 KiB of JSON, compressed",
        about: "100 connections, one message in flight on each; permessage-deflate without context takeover on either side, \
                level 6. Here the CPU decides what compressing costs, so see also how small the answers are.",
        mode: Mode::Deflate,
        columns: &[
            column("CPU µs", 2),
            column("user", 2),
            column("system", 2),
            column("messages/s", 0),
            column("p50 µs", 0),
            column("p99 µs", 0),
            column("p99.9 µs", 0),
            column("server busy %", 0),
            column("load CPU µs", 2),
            column("answer, bytes", 0),
        ],
        run: echo::deflate1k,
    },
    Workload {
        key: "idle",
        title: "Memory of a connection that waits",
        about: "Bytes of RSS per connection, over that of the same process with 100 connections that have said the same: \
                right after the handshake, after one 64-byte message each, after one of 64 KiB each.",
        mode: Mode::Echo,
        columns: &[column("connected", 0), column("after 64 B", 0), column("after 64 KiB", 0)],
        run: idle::run,
    },
    Workload {
        key: "connect",
        title: "Connections",
        about: "TCP connect, handshake, close frames of both sides; 32 at a time.",
        mode: Mode::Echo,
        columns: &[column("CPU µs", 1), column("user", 1), column("system", 1), column("connections/s", 0)],
        run: connect::run,
    },
    Workload {
        key: "fanout1k",
        title: "Fan-out to 1,000",
        about: "One client's 64 bytes go to everybody; the next when all have them. Figures are per delivery.",
        mode: Mode::Fanout,
        columns: fanout::COLUMNS,
        run: fanout::to_1k,
    },
    Workload {
        key: "fanout10k",
        title: "Fan-out to 10,000",
        about: "The same.",
        mode: Mode::Fanout,
        columns: fanout::COLUMNS,
        run: fanout::to_10k,
    },
    Workload {
        key: "timer",
        title: "A timer in each connection",
        about: "5,000 connections, each with a timer of 100 ms that counts; CPU per tick.",
        mode: Mode::Timer,
        columns: &[column("CPU µs", 3), column("user", 3), column("system", 3), column("ticks/s", 0)],
        run: timer::run,
    },
    Workload {
        key: "info",
        title: "Messages from the rest of the program",
        about: "A task sends 512 small messages to a connection, which counts them and says so when it has the last; 8 \
                connections do so at a time.",
        mode: Mode::Info,
        columns: &[column("CPU µs", 3), column("user", 3), column("system", 3), column("messages/s", 0)],
        run: info::run,
    },
];
