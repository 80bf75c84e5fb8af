//! Workloads: each is a function from a running server to a row of figures.

pub(crate) mod connect;
mod connect_at_once;
pub(crate) mod echo;
pub(crate) mod fanout;
pub(crate) mod idle;
pub(crate) mod info;
pub(crate) mod rpc;
mod timer;

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
        Duration::from_millis(if self.quick { 300 } else { 1500 })
    }

    /// Returns the duration of the warm-up, which excludes one-time work.
    pub(crate) fn warm_up(&self) -> Duration {
        self.duration() / 5
    }
}

/// Returns JSON of a typical application, of `len` bytes.
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
        about: "100 connections; 16 messages in one write, the next 16 after all answers. Latency is that of the sixteenth.",
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
                level 6. The size of the answers shows the compression ratio.",
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
        key: "rpc64",
        title: "JSON-RPC, a call of 64 bytes",
        about: "100 connections, one call `add` in flight on each. By hand means a `match` on the method, without \
                the errors and batches of the specification.",
        mode: Mode::Rpc,
        columns: MESSAGES,
        run: rpc::run,
    },
    Workload {
        key: "idle",
        title: "Memory of an idle connection",
        about: "Bytes of RSS per connection, over that of the same process with 100 connections that did the same: \
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
        key: "connect5k",
        title: "Connections, 5,000 at once",
        about: "All connects start before the first request is sent, to a server without other clients: seconds until the last \
                handshake is answered, and how often the kernel sent a SYN again because the server's accept queue was full.",
        mode: Mode::Echo,
        columns: &[column("seconds", 3), column("SYNs sent again", 0)],
        run: connect_at_once::run,
    },
    Workload {
        key: "fanout1k",
        title: "Fan-out to 1,000",
        about: "One client sends 64 bytes to all; the next message follows when all have received it. Figures are per delivery.",
        mode: Mode::Fanout,
        columns: fanout::COLUMNS,
        run: fanout::to_1k,
    },
    Workload {
        key: "fanout10k",
        title: "Fan-out to 10,000",
        about: "Like fan-out to 1,000.",
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
        about: "A task sends 512 small messages to a connection, which counts them and answers after the last; 8 connections \
                at a time.",
        mode: Mode::Info,
        columns: &[column("CPU µs", 3), column("user", 3), column("system", 3), column("messages/s", 0)],
        run: info::run,
    },
];
