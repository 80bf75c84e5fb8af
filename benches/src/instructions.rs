//! `instructions`: what a message costs in instructions outside of the kernel, by valgrind. It does not depend on
//! what else the machine does, so it can be held against a budget.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::instruction_probes::{PROBES, Probe};
use crate::options::Options;
use crate::process::Under;
use crate::results;
use crate::servers::Server;

/// How far above its budget a figure may be.
const SLACK: f64 = 1.05;

const HEAD: &str = "\
# Instructions per message, and of a connection, as `cargo run --release -p benches -- instructions --ours --check` counts them.
# More than 5 % above fails; `--bless` in place of `--check` writes what is counted now.
";

/// By server and probe.
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
    if options.everything() {
        results::replace_part("instructions", &text)?;
    }
    if options.bless {
        let numbers: BTreeMap<_, BTreeMap<_, _>> = counts
            .iter()
            .filter(|(server, _)| server.starts_with("ws-core"))
            .map(|(server, row)| {
                (server, row.iter().map(|(probe, count)| (probe, count.round() as i64)).collect())
            })
            .collect();
        let numbers = toml::to_string(&numbers).map_err(io::Error::other)?;
        fs::write(results::folder().join("budget.toml"), format!("{HEAD}\n{numbers}"))?;
    }
    if options.check { check(&counts) } else { Ok(()) }
}

fn count(server: &Server, probe: &Probe) -> io::Result<f64> {
    let (few, many) = probe.count(server, |file| Under::Callgrind(file))?;
    Ok(probe.per_message(total(&few)?, total(&many)?))
}

/// The instructions in a file of callgrind.
fn total(file: &str) -> io::Result<f64> {
    let total = |line: &str| line.strip_prefix("totals: ")?.trim().parse().ok();
    file.lines().find_map(total).ok_or_else(|| io::Error::other("callgrind counted nothing"))
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

/// Fails if one of ours is above its budget, or if a figure or its budget is missing.
fn check(counts: &Counts) -> io::Result<()> {
    let file = fs::read_to_string(results::folder().join("budget.toml"))?;
    let budget: Counts = toml::from_str(&file).map_err(io::Error::other)?;
    let mut wrong = Vec::new();
    for (server, row) in &budget {
        for (probe, budget) in row {
            match counts.get(server).and_then(|row| row.get(probe)) {
                None => wrong.push(format!("{server} {probe}: not counted")),
                Some(count) if *count > budget * SLACK => {
                    wrong.push(format!("{server} {probe}: {count:.0}, and {budget:.0} is its budget"));
                }
                Some(count) if *count < budget / SLACK => {
                    println!("{server} {probe}: {count:.0}, less than its budget of {budget:.0}: bless it");
                }
                Some(_) => {}
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(io::Error::other(wrong.join("\n"))) }
}
