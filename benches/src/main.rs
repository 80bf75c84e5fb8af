//! Measures handlers of this project beside the other WebSocket servers of the ecosystem: see
//! `benches/README.md`.

mod growth;
mod instructions;
mod load;
mod machine;
mod options;
mod picture;
mod probes;
mod process;
mod report;
mod servers;
mod syscalls;
mod table;
mod usage;
mod workloads;

use std::io;
use std::process::ExitCode;

use options::Options;

const HELP: &str = "\
cargo run --release -p benches -- COMMAND [OPTIONS]

  table          all workloads over all servers
  growth         costs as connections become many
  instructions   instructions per message, by valgrind
  syscalls       system calls per message, by strace
  pictures       draws again what RESULTS.md says

  --peers a,b       only these servers (`ours` is all of ours)
  --workloads x,y   only these workloads
  --rounds n        how often each is timed; the median counts (3)
  --quick           short runs, to see that something works
  --ours            (instructions) only ours
  --check           (instructions) fail if ours are more than 5 % above budget.toml
  --bless           (instructions) write budget.toml

A run of everything writes its part of benches/RESULTS.md, and the pictures beside it.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = arguments.split_first().map_or(("help", &[][..]), |(first, rest)| (first, rest));
    let with = |run: fn(&Options) -> io::Result<()>| Options::parse(rest).and_then(|options| run(&options));
    let done = match command {
        "server" => process::serve(rest),
        "table" => with(table::run),
        "growth" => with(growth::run),
        "instructions" => with(instructions::run),
        "pictures" => picture::table().and_then(|()| picture::growth()),
        "syscalls" => with(syscalls::run),
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
