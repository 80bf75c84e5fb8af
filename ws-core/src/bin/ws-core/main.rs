//! The command line of ws-core: contracts of handlers as text and as generated files, and calls to servers.
//!
//! `cargo install --path ws-core --features cli`. The guide has a chapter about it.

mod args;
mod call;
mod connection;
mod contracts;
mod envelope;
mod failure;
mod generate;
mod interactive;
mod output;
mod params;
mod protocol;
mod schema;
mod shape;
mod summary;
mod target;
mod text;

use std::process::ExitCode;

use args::{Arguments, Command};
use call::Exchange;
use clap::Parser;
use failure::Failure;

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(command));
            // A thread may still read stdin.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Failure::usage(format!("cannot start: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Contract(arguments) => generate::run(arguments).await,
        Command::Call(arguments) => call::run(arguments, Exchange::Call).await,
        Command::Send(arguments) => call::run(arguments, Exchange::Message).await,
        Command::Interactive(arguments) => interactive::run(&arguments.server).await,
    }
}
