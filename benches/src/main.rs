//! Measures handlers of this project beside the other WebSocket servers of the ecosystem: see
//! `benches/README.md`.

mod load;
mod options;
mod process;
mod report;
mod servers;
mod table;
mod usage;
mod workloads;

use std::process::ExitCode;

use options::Options;

const HELP: &str = "\
cargo run --release -p benches -- COMMAND [OPTIONS]

  table          all workloads, all servers; writes benches/RESULTS.md and its picture

  --peers a,b       only these servers (`ours` is all of ours)
  --workloads x,y   only these workloads
  --rounds n        how often each is measured; the median counts (3)
  --quick           short runs, to see that something works
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = arguments.split_first().map_or(("help", &[][..]), |(first, rest)| (first, rest));
    let done = match command {
        "server" => process::serve(rest),
        "table" => Options::parse(rest).and_then(|options| table::run(&options)),
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
