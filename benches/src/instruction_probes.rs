//! Exchanges that are counted instead of timed. They run one at a time, so that every run does the same.
//! The cost of a message is the difference of two runs that differ only in the number of exchanges.

use std::io;
use std::path::Path;
use std::{env, fs};

use crate::load::{Load, Offer};
use crate::process::{Process, Under};
use crate::servers::{Mode, Server};
use crate::workloads::info::BURST;
use crate::workloads::{binary, connect, deflate, fanout, json, rpc, text};

pub(crate) struct Probe {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) mode: Mode,
    pub(crate) connections: usize,
    /// Exchanges in the shorter and in the longer run.
    pub(crate) few: usize,
    pub(crate) many: usize,
    /// Messages per exchange.
    pub(crate) messages: u32,
    pub(crate) exchange: fn(&mut Load, usize) -> io::Result<()>,
}

pub(crate) const PROBES: &[Probe] = &[
    Probe {
        key: "text64",
        title: "64 B text",
        mode: Mode::Echo,
        connections: 1,
        few: 500,
        many: 3_000,
        messages: 1,
        exchange: |load, count| again(load, count, &text(&[b'x'; 64]), 1),
    },
    Probe {
        key: "text64x16",
        title: "64 B × 16",
        mode: Mode::Echo,
        connections: 1,
        few: 50,
        many: 300,
        messages: 16,
        exchange: |load, count| again(load, count, &text(&[b'x'; 64]).repeat(16).into(), 16),
    },
    Probe {
        key: "binary16k",
        title: "16 KiB binary",
        mode: Mode::Echo,
        connections: 1,
        few: 100,
        many: 600,
        messages: 1,
        exchange: |load, count| again(load, count, &binary(16 << 10), 1),
    },
    Probe {
        key: "binary1m",
        title: "1 MiB binary",
        mode: Mode::Echo,
        connections: 1,
        few: 5,
        many: 25,
        messages: 1,
        exchange: |load, count| again(load, count, &binary(1 << 20), 1),
    },
    Probe {
        key: "deflate1k",
        title: "1 KiB compressed",
        mode: Mode::Deflate,
        connections: 1,
        few: 50,
        many: 300,
        messages: 1,
        exchange: |load, count| again(load, count, &deflate::compressed(json(1024).as_bytes())?, 1),
    },
    Probe {
        key: "info",
        title: "on_info",
        mode: Mode::Info,
        connections: 1,
        few: 5,
        many: 30,
        messages: BURST,
        exchange: |load, count| again(load, count, &text(BURST.to_string().as_bytes()), 1),
    },
    Probe {
        key: "rpc64",
        title: "64 B JSON-RPC call",
        mode: Mode::Rpc,
        connections: 1,
        few: 200,
        many: 1_200,
        messages: 1,
        exchange: |load, count| again(load, count, &rpc::call(), 1),
    },
    Probe {
        key: "session64",
        title: "64 B in a session",
        mode: Mode::Session,
        connections: 1,
        few: 512,
        many: 3_072,
        messages: 1,
        exchange: session,
    },
    Probe {
        key: "fanout",
        title: "fan-out delivery",
        mode: Mode::Fanout,
        connections: 50,
        few: 20,
        many: 120,
        messages: 50,
        exchange: |load, count| {
            fanout::settle();
            (0..count).try_for_each(|_| fanout::publish(load).map(drop))
        },
    },
    Probe {
        key: "connect",
        title: "connection",
        mode: Mode::Echo,
        connections: 1,
        few: 5,
        many: 30,
        messages: connect::AT_A_TIME,
        exchange: |load, count| connect::again(load.port, count),
    },
];

fn again(load: &mut Load, count: usize, bytes: &std::rc::Rc<[u8]>, answers: u32) -> io::Result<()> {
    for _ in 0..count {
        load.connections[0].send(bytes, answers)?;
        load.settle()?;
    }
    Ok(())
}

/// Echoes in a session. Each side acknowledges every 128 messages, so the server's 128th message is followed by one more.
fn session(load: &mut Load, count: usize) -> io::Result<()> {
    let text = text(&[b'x'; 64]);
    for number in 1..=count {
        let is_acknowledged = number % 128 == 0;
        again(load, 1, &text, 1 + u32::from(is_acknowledged))?;
        if is_acknowledged {
            let object = format!("\0{{\"ack\":{number}}}");
            again(load, 1, &crate::workloads::text(object.as_bytes()), 0)?;
        }
    }
    Ok(())
}

impl Probe {
    pub(crate) fn fits(&self, server: &Server) -> bool {
        server.can(self.mode)
    }

    pub(crate) fn per_message(&self, few: f64, many: f64) -> f64 {
        (many - few) / ((self.many - self.few) as f64 * f64::from(self.messages))
    }

    /// Returns the output of `under` for the shorter and for the longer run.
    pub(crate) fn count(
        &self,
        server: &Server,
        under: fn(&Path) -> Under<'_>,
    ) -> io::Result<(String, String)> {
        Ok((self.once(server, under, self.few)?, self.once(server, under, self.many)?))
    }

    fn once(&self, server: &Server, under: fn(&Path) -> Under<'_>, exchanges: usize) -> io::Result<String> {
        let file = env::temp_dir().join(format!("benches-{}", std::process::id()));
        let process = Process::start(server, self.mode, under(&file))?;
        let offer = match self.mode {
            Mode::Deflate => Offer::Deflate,
            Mode::Session => Offer::Session,
            _ => Offer::Nothing,
        };
        let mut load = Load::connect(process.port, self.connections, offer)?;
        (self.exchange)(&mut load, exchanges)?;
        process.stop()?;
        let text = fs::read_to_string(&file)?;
        fs::remove_file(&file)?;
        Ok(text)
    }
}
