//! The arguments of the program.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(name = "ws-core", version, about = ABOUT, long_about = None)]
#[command(disable_help_subcommand = true, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const ABOUT: &str = "Reads contracts of WebSocket handlers, generates clients, and calls servers";

const AFTER_HELP: &str = "\
Exit codes: 0 success; 1 the server answered with an error; 2 wrong arguments; 3 no connection, or no answer.
Limits: a contract has at most 16 MiB and arrives within 30 s; a message of the server has at most 16 MiB.
The environment may name a proxy: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY. NO_COLOR turns colours off.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows a contract, or writes clients and documents that are generated from it
    Contract(ContractArguments),
    /// Calls a method of a server, and prints its result as one line of JSON
    Call(CallArguments),
    /// Sends a message that has no answer
    Send(CallArguments),
    /// Opens a prompt for calls and messages; reads commands from a pipe as well
    #[command(visible_alias = "i")]
    Interactive(InteractiveArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ContractArguments {
    /// A file, `-` for stdin, or the URL of a server, of its page of documentation, or of the contract itself
    #[arg(value_name = "URL|FILE")]
    pub(crate) source: String,
    /// Writes a client in TypeScript for each handler into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) typescript: Option<PathBuf>,
    /// Writes a client in JavaScript, its types, and the modules that they import into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) javascript: Option<PathBuf>,
    /// Writes a document of AsyncAPI 3.0: as YAML if the name ends with .yaml or .yml, otherwise as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) asyncapi: Option<PathBuf>,
    /// Takes one handler of the contract only
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) handler: Option<String>,
    #[command(flatten)]
    pub(crate) http: HttpArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HttpArguments {
    /// Adds a header to requests, for example `authorization: Bearer abc`; may be repeated. Requests for a contract on
    /// another server do not get it
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Trusts the certificates of this PEM file, in place of Mozilla's certificate authorities
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArguments {
    /// The URL of the handler, for example `ws://127.0.0.1:8080/board`
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Reads the contract from here. Without this option: from /docs/contract.json of the server, and if there is none,
    /// JSON-RPC 2.0 without checks
    #[arg(long, value_name = "URL|FILE", conflicts_with = "no_contract")]
    pub(crate) contract: Option<String>,
    /// Uses JSON-RPC 2.0 without checks, and requests no contract
    #[arg(long)]
    pub(crate) no_contract: bool,
    /// Takes this handler of the contract, if the path of the URL does not say which
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) handler: Option<String>,
    /// Offers a subprotocol, in place of those of the contract; may be repeated
    #[arg(long = "subprotocol", value_name = "NAME")]
    pub(crate) subprotocols: Vec<String>,
    /// Waits this long for the connection, and again for each answer: 500ms, 10s, 2m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) http: HttpArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CallArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// The name of the call or message
    pub(crate) name: String,
    /// The parameters: one JSON value, pairs as `symbol=AAPL`, or `-` for JSON on stdin. The value of a pair is JSON, or
    /// else a string
    #[arg(value_name = "JSON|NAME=VALUE|-", allow_negative_numbers = true)]
    pub(crate) parameters: Vec<String>,
    /// Answers calls of the server with this name and this JSON, for example `confirm=true`; may be repeated. Other calls
    /// of the server are refused
    #[arg(long = "answer", value_name = "NAME=JSON", value_parser = parse_answer)]
    pub(crate) answers: Vec<(String, String)>,
    /// Prints the messages that arrive, one JSON object a line, until N messages or Ctrl-C. At most 1,024 wait for the
    /// answer
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "an option with a value that may be left out")]
    pub(crate) follow: Option<Option<u64>>,
}

#[derive(Debug, Args)]
pub(crate) struct InteractiveArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write `name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parse_answer(text: &str) -> Result<(String, String), String> {
    let (name, json) = text.split_once('=').ok_or("write `name=JSON`")?;
    match serde_json::from_str::<serde::de::IgnoredAny>(json) {
        Ok(_) => Ok((name.to_owned(), json.to_owned())),
        Err(error) => Err(format!("the answer is not JSON: {error}")),
    }
}

/// The longest time that the program waits.
const MAX_TIME: Duration = Duration::from_hours(24);

/// Parses a time of up to a day.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("write a number with a unit: 500ms, 10s, 2m or 1h".into()),
    };
    let number: f64 = number.parse().map_err(|_| "write a number with a unit: 500ms, 10s, 2m or 1h")?;
    match Duration::try_from_secs_f64(number * factor) {
        Ok(time) if time <= MAX_TIME => Ok(time),
        _ => Err("the longest time is 24h".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_time("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "10", "s", "1.2.3s", "-1s", "25h", "1e9s"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }
}
