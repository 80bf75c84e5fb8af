//! `unsent`: the effect of `unsent_limit` on one fast client.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use crate::instruction_probes::Probe;
use crate::load::{Load, Offer};
use crate::options::Options;
use crate::process::{Process, Under, pin_load};
use crate::results;
use crate::servers::{Mode, PRODUCERS, Server};
use crate::syscalls;
use crate::table::medians;
use crate::usage::Cpu;
use crate::workloads::{Session, text};

const MIB: usize = 1 << 20;

/// Bytes that the client requests at a time, unless that would be more than a million messages.
const REQUESTED: usize = 256 * MIB;

/// A message size, and the MiB of a request whose system calls strace counts.
struct Subject {
    title: &'static str,
    size: usize,
    probe: Probe,
}

macro_rules! subject {
    ($title:literal, $size:expr, $mib:expr) => {
        Subject {
            title: $title,
            size: $size,
            probe: Probe {
                key: $title,
                title: $title,
                mode: Mode::Echo,
                connections: 1,
                few: 2,
                many: 12,
                messages: $mib,
                exchange: |load, count| (0..count).try_for_each(|_| request(load, $size, $mib * MIB / $size)),
            },
        }
    };
}

const SUBJECTS: &[Subject] =
    &[subject!("64 B", 64, 8), subject!("16 KiB", 16 << 10, 16), subject!("1 MiB", MIB, 16)];

/// Requests `count` messages of `size` bytes, and reads them.
fn request(load: &mut Load, size: usize, count: usize) -> io::Result<()> {
    load.connections[0].send(&text(format!("{size} {count}").as_bytes()), count as u32)?;
    load.settle()
}

pub(crate) fn run(options: &Options) -> io::Result<()> {
    pin_load();
    let mut samples: BTreeMap<(&str, &str), Vec<Vec<f64>>> = BTreeMap::new();
    for _ in 0..options.rounds {
        for subject in SUBJECTS {
            for server in PRODUCERS {
                let figures = measure(server, subject, options.quick)?;
                samples.entry((subject.title, server.name)).or_default().push(figures);
            }
        }
    }
    let head = ["message", "server", "messages/s", "×", "CPU µs", "×", "MiB/s", "system calls per MiB"];
    let mut table = results::row(head) + &results::rule(head.len() - 1);
    for subject in SUBJECTS {
        let mut first = None;
        for server in PRODUCERS {
            let figures = medians(&samples[&(subject.title, server.name)]);
            let base = first.get_or_insert_with(|| figures.clone());
            table += &results::row([
                subject.title,
                server.name,
                &results::number(figures[0], 0),
                &format!("{:.2}", figures[0] / base[0]),
                &results::number(figures[1], 3),
                &format!("{:.2}", figures[1] / base[1]),
                &results::number(figures[0] * subject.size as f64 / MIB as f64, 0),
                &syscalls::cell(server, &subject.probe),
            ]);
        }
    }
    print!("Medians of {} rounds.\n\n{table}", options.rounds);
    Ok(())
}

/// Returns the messages per second, and the server's CPU time per message in microseconds.
fn measure(server: &Server, subject: &Subject, quick: bool) -> io::Result<Vec<f64>> {
    let process = Process::start(server, Mode::Echo, Under::Nothing)?;
    let session = Session { process: &process, quick };
    let mut load = Load::connect(process.port, 1, Offer::Nothing)?;
    let count = (REQUESTED / subject.size).min(1_000_000);
    request(&mut load, subject.size, count)?;
    let (then, start, mut messages) = (Cpu::of(process.pid())?, Instant::now(), 0.0);
    while start.elapsed() < session.duration() {
        request(&mut load, subject.size, count)?;
        messages += count as f64;
    }
    let (cpu, seconds) = (Cpu::of(process.pid())?.since(then), start.elapsed().as_secs_f64());
    process.stop()?;
    Ok(vec![messages / seconds, cpu.ran / messages / 1e3])
}
