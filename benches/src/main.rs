//! Measures handlers of this project beside the other WebSocket servers of the ecosystem: see
//! `benches/README.md`.

mod chart;
#[cfg(feature = "clients")]
mod clients;
mod drain;
mod environment;
mod instruction_probes;
mod instructions;
mod load;
mod options;
mod process;
mod results;
mod scaling;
mod servers;
mod syscalls;
mod table;
mod unsent;
mod usage;
mod workloads;

use std::io;
use std::process::ExitCode;

use options::Options;

const HELP: &str = "\
cargo run --release -p benches -- COMMAND [OPTIONS]

  table          all workloads over all servers
  scaling        costs by the number of connections
  instructions   instructions per message, by valgrind
  clients        CPU and instructions of clients per call, by valgrind; needs `--features clients`
  syscalls       system calls per message, by strace
  unsent         the effect of `unsent_limit` on one fast client; needs strace
  drain          the clients of a node that stops move to another one, behind nginx
  charts         renders the charts from RESULTS.md

  --peers a,b       only these servers (`own`: all of this project)
  --workloads x,y   only these workloads
  --rounds n        rounds; the median is reported (5)
  --clients n       (drain) the number of clients (10,000; with --quick 500)
  --quick           short runs, for a smoke test
  --own             (instructions) only servers of this project
  --check           (instructions) fail if a figure is more than 5 % above budget.toml
  --bless           (instructions) write budget.toml

A complete run writes its part of benches/RESULTS.md and the charts beside it.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = arguments.split_first().map_or(("help", &[][..]), |(first, rest)| (first, rest));
    let with = |run: fn(&Options) -> io::Result<()>| Options::parse(rest).and_then(|options| run(&options));
    let done = match command {
        "server" => process::serve(rest),
        "table" => with(table::run),
        "scaling" => with(scaling::run),
        "instructions" => with(instructions::run),
        #[cfg(feature = "clients")]
        "clients" => clients::run(),
        #[cfg(feature = "clients")]
        "client" => clients::run_client(rest),
        "charts" => chart::bars().and_then(|()| chart::lines()),
        "syscalls" => with(syscalls::run),
        "unsent" => with(unsent::run),
        "drain" => with(drain::run),
        "drain-server" => drain::run_server(rest),
        "drain-clients" => drain::run_clients(rest),
        _ => {
            print!("{HELP}");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
