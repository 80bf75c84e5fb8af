//! `instructions`: user-space instructions per message, counted by valgrind. Other load on the machine does
//! not change the count, so a budget can limit it.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::instruction_probes::{PROBES, Probe};
use crate::options::Options;
use crate::process::Under;
use crate::results;
use crate::servers::{Server, has_metrics};

/// Allowed ratio of a figure to its budget.
const SLACK: f64 = 1.05;

const HEAD: &str = "\
# Instructions per message, and of a connection, as `cargo run --release -p benches -- instructions --own --check` counts them.
# `--check` fails for a figure more than 5 % above its entry; `--bless` writes the current figures. The rows with metrics are
# for a build with `--features metrics`, the others for one without.
";

/// The counts by server and probe.
type Counts = BTreeMap<String, BTreeMap<String, f64>>;

pub(crate) fn run(options: &Options) -> io::Result<()> {
    let mut counts = Counts::new();
    let servers: Vec<&Server> = options.servers().collect();
    let probes: Vec<&Probe> = PROBES.iter().filter(|probe| options.wants(probe.key)).collect();
    for server in &servers {
        for probe in probes.iter().filter(|probe| probe.fits(server)) {
            match count(server, probe) {
                Ok(count) => {
                    eprintln!("{} {}: {count:.0}", server.name, probe.key);
                    counts.entry(server.key()).or_default().insert(probe.key.into(), count);
                }
                Err(error) => eprintln!("{} {}: {error}", server.name, probe.key),
            }
        }
    }
    let text = table(&servers, &probes, &counts);
    print!("{text}");
    if options.is_complete() {
        results::replace_part("instructions", &text)?;
    }
    if options.bless {
        // The rows of the other kind of build stay.
        let mut rows = budget()?;
        rows.retain(|server, _| !is_of_this_build(server));
        rows.extend(counts.clone().into_iter().filter(|(server, _)| server.starts_with("ws-core")));
        let numbers: BTreeMap<_, BTreeMap<_, _>> = rows
            .into_iter()
            .map(|(server, row)| {
                (server, row.into_iter().map(|(probe, count)| (probe, count.round() as i64)).collect())
            })
            .collect();
        let numbers = toml::to_string(&numbers).map_err(io::Error::other)?;
        fs::write(results::folder().join("budget.toml"), format!("{HEAD}\n{numbers}"))?;
    }
    if options.check { check(&counts) } else { Ok(()) }
}

/// Counts the instructions of a message. Those of a connection vary by 1 % with the events that the kernel happens
/// to report together, so the median of three counts is taken.
fn count(server: &Server, probe: &Probe) -> io::Result<f64> {
    let rounds = if probe.key == "connect" { 3 } else { 1 };
    let mut counts = Vec::new();
    for _ in 0..rounds {
        let (few, many) = probe.count(server, |file| Under::Callgrind(file))?;
        counts.push(probe.per_message(total(&few)?, total(&many)?));
    }
    counts.sort_by(f64::total_cmp);
    Ok(counts[rounds / 2])
}

/// Parses the total of a callgrind file.
pub(crate) fn total(file: &str) -> io::Result<f64> {
    let total = |line: &str| line.strip_prefix("totals: ")?.trim().parse().ok();
    file.lines().find_map(total).ok_or_else(|| io::Error::other("no totals in the output of callgrind"))
}

fn table(servers: &[&Server], probes: &[&Probe], counts: &Counts) -> String {
    let mut text = results::row(["server"].into_iter().chain(probes.iter().map(|probe| probe.title)));
    text += &results::rule(probes.len());
    for server in servers {
        let cell = |probe: &&Probe| {
            let count = counts.get(&server.key()).and_then(|row| row.get(probe.key));
            count.map_or("–".into(), |count| results::number(*count, 0))
        };
        let cells: Vec<String> = probes.iter().map(cell).collect();
        text += &results::row([server.name].into_iter().chain(cells.iter().map(String::as_str)));
    }
    text
}

/// Reads the budget.
fn budget() -> io::Result<Counts> {
    let file = fs::read_to_string(results::folder().join("budget.toml"))?;
    toml::from_str(&file).map_err(io::Error::other)
}

/// Returns whether the row of a server is measured by this build: with the feature `metrics`, only rows with metrics.
fn is_of_this_build(server: &str) -> bool {
    has_metrics(server) == cfg!(feature = "metrics")
}

/// Fails if a figure of this project exceeds its budget, or if either is missing.
fn check(counts: &Counts) -> io::Result<()> {
    let mut wrong = Vec::new();
    for (server, row) in budget()?.iter().filter(|(server, _)| is_of_this_build(server)) {
        for (probe, budget) in row {
            match counts.get(server).and_then(|row| row.get(probe)) {
                None => wrong.push(format!("{server} {probe}: not counted")),
                Some(count) if *count > budget * SLACK => {
                    wrong.push(format!("{server} {probe}: {count:.0} is above its budget of {budget:.0}"));
                }
                Some(count) if *count < budget / SLACK => {
                    println!(
                        "{server} {probe}: {count:.0} is below its budget of {budget:.0}: run with `--bless`"
                    );
                }
                Some(_) => {}
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(io::Error::other(wrong.join("\n"))) }
}
