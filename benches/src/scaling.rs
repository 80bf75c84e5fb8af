//! `scaling`: costs by the number of connections.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::chart;
use crate::load::{Load, Offer};
use crate::options::Options;
use crate::process::{Process, Under, pin_load};
use crate::results;
use crate::servers::{Mode, Server};
use crate::workloads::idle::settled;
use crate::workloads::{Session, echo, fanout, text};

struct Subject {
    key: &'static str,
    title: &'static str,
    /// Unit of the value that `run` returns.
    unit: &'static str,
    digits: usize,
    mode: Mode,
    sizes: &'static [usize],
    run: fn(&Session<'_>, usize) -> io::Result<f64>,
}

/// At most 19,000 connections, because many systems limit a process to 20,000 open files.
const SUBJECTS: &[Subject] = &[
    Subject {
        key: "cost",
        title: "A 64-byte echo, by connections that are busy",
        unit: "CPU µs per message",
        digits: 2,
        mode: Mode::Echo,
        sizes: &[1, 10, 100, 1_000, 10_000],
        run: message,
    },
    Subject {
        key: "memory",
        title: "A connection that has said 64 bytes, by connections that wait",
        unit: "bytes of RSS per connection",
        digits: 0,
        mode: Mode::Echo,
        sizes: &[1_000, 5_000, 10_000, 19_000],
        run: memory,
    },
    Subject {
        key: "fanout",
        title: "A delivery, by clients in the room",
        unit: "CPU µs per delivery",
        digits: 2,
        mode: Mode::Fanout,
        sizes: &[100, 1_000, 10_000],
        run: |session, size| Ok(fanout::to(session, size)?[0]),
    },
];

pub(crate) fn run(options: &Options) -> io::Result<()> {
    pin_load();
    let mut text = format!("Medians of {} rounds.\n", options.rounds);
    for subject in SUBJECTS.iter().filter(|subject| options.wants(subject.key)) {
        let servers: Vec<&Server> = options.servers().filter(|server| server.can(subject.mode)).collect();
        let medians = measure(subject, &servers, options);
        text += &table(subject, &servers, &medians);
    }
    print!("{text}");
    if options.is_complete() {
        results::replace_part("scaling", &text)?;
        chart::lines()?;
    }
    Ok(())
}

/// Medians by server and size.
type Medians = BTreeMap<(&'static str, usize), f64>;

fn measure(subject: &Subject, servers: &[&'static Server], options: &Options) -> Medians {
    let mut samples: BTreeMap<(&'static str, usize), Vec<f64>> = BTreeMap::new();
    for round in 1..=options.rounds {
        for size in subject.sizes {
            for server in servers {
                match once(subject, server, *size, options.quick) {
                    Ok(value) => {
                        eprintln!(
                            "{round}/{} {} {size} {}: {value:.2}",
                            options.rounds, subject.key, server.name
                        );
                        samples.entry((server.name, *size)).or_default().push(value);
                    }
                    Err(error) => eprintln!("{} {size} {}: {error}", subject.key, server.name),
                }
            }
        }
    }
    let median = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    samples.into_iter().map(|(key, values)| (key, median(values))).collect()
}

fn once(subject: &Subject, server: &Server, size: usize, quick: bool) -> io::Result<f64> {
    let process = Process::start(server, subject.mode, Under::Nothing)?;
    let value = (subject.run)(&Session { process: &process, quick }, size)?;
    process.stop()?;
    Ok(value)
}

fn message(session: &Session<'_>, size: usize) -> io::Result<f64> {
    let mut load = Load::connect(session.process.port, size, Offer::Nothing)?;
    let half = Duration::from_millis(if session.quick { 200 } else { 1000 });
    let run = echo::run(&mut load, session.process.pid(), &text(&[b'x'; 64]), 1, half / 2, half)?;
    Ok(run.cpu())
}

fn memory(session: &Session<'_>, size: usize) -> io::Result<f64> {
    let (pid, port, small) = (session.process.pid(), session.process.port, text(&[b'x'; 64]));
    let mut load = Load::connect(port, 100, Offer::Nothing)?;
    load.each(&small, 1)?;
    let before = settled(pid)?;
    load.add(port, size, Offer::Nothing)?;
    load.each(&small, 1)?;
    Ok((settled(pid)? - before) / size as f64)
}

fn table(subject: &Subject, servers: &[&Server], medians: &Medians) -> String {
    let sizes: Vec<String> = subject.sizes.iter().map(|size| results::number(*size as f64, 0)).collect();
    let mut text = format!("\n### {}\n\n{}\n\n", subject.title, subject.unit);
    text += &results::row(["server"].into_iter().chain(sizes.iter().map(String::as_str)));
    text += &results::rule(sizes.len());
    for server in servers {
        let cell = |size: &usize| {
            let value = medians.get(&(server.name, *size));
            value.map_or("–".into(), |value| results::number(*value, subject.digits))
        };
        let cells: Vec<String> = subject.sizes.iter().map(cell).collect();
        text += &results::row([server.name].into_iter().chain(cells.iter().map(String::as_str)));
    }
    text
}
