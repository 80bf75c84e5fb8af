//! `syscalls`: system calls per message, counted by strace.

use std::collections::BTreeMap;
use std::io;

use crate::instruction_probes::{PROBES, Probe};
use crate::options::Options;
use crate::process::Under;
use crate::results;
use crate::servers::Server;

/// Rates below this are noise, for example from the clock or from a growing allocator.
const NOISE: f64 = 0.02;

pub(crate) fn run(options: &Options) -> io::Result<()> {
    let probes: Vec<&Probe> = PROBES.iter().filter(|probe| options.wants(probe.key)).collect();
    let mut text = results::row(["server"].into_iter().chain(probes.iter().map(|probe| probe.title)));
    text += &results::rule(probes.len());
    for server in options.servers() {
        let cells: Vec<String> = probes.iter().map(|probe| cell(server, probe)).collect();
        let row = results::row([server.name].into_iter().chain(cells.iter().map(String::as_str)));
        eprint!("{row}");
        text += &row;
    }
    print!("{text}");
    if options.is_complete() { results::replace_part("syscalls", &text) } else { Ok(()) }
}

/// Returns the calls per message of a probe, as a cell of a table.
pub(crate) fn cell(server: &Server, probe: &Probe) -> String {
    if !probe.fits(server) {
        return "–".into();
    }
    match probe.count(server, |file| Under::Strace(file)) {
        Ok((few, many)) => described(&difference(probe, &few, &many)),
        Err(error) => {
            eprintln!("{} {}: {error}", server.name, probe.key);
            "–".into()
        }
    }
}

/// Returns the calls per message by name, most frequent first.
fn difference(probe: &Probe, few: &str, many: &str) -> Vec<(String, f64)> {
    let few = calls(few);
    let each = |(name, calls): (String, f64)| {
        let before = few.get(&name).copied().unwrap_or(0.0);
        let each = probe.per_message(before, calls);
        (name, each)
    };
    let mut calls: Vec<_> = calls(many).into_iter().map(each).filter(|(_, each)| *each > NOISE).collect();
    calls.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    calls
}

/// Parses the rows of strace's summary: a name and a number.
fn calls(summary: &str) -> BTreeMap<String, f64> {
    let row = |line: &str| {
        let (name, calls) = line.trim().split_once(char::is_whitespace)?;
        let calls = calls.trim().parse().ok()?;
        (name != "total").then(|| (name.to_owned(), calls))
    };
    summary.lines().filter_map(row).collect()
}

fn described(calls: &[(String, f64)]) -> String {
    let sum = calls.iter().fold(0.0, |sum, (_, each)| sum + each);
    let names = calls.iter().map(|(name, each)| format!("{name} {each:.2}")).collect::<Vec<_>>();
    [vec![format!("**{sum:.2}**")], names].concat().join("<br>")
}
