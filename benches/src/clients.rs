//! `clients`: CPU time and user-space instructions of a client for a JSON-RPC call of 64 bytes and its answer. valgrind
//! counts the instructions. All clients call one server of this project, one call after another.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, io};

use jsonrpsee_core::client::ClientT;
use jsonrpsee_core::rpc_params;
use jsonrpsee_ws_client::WsClientBuilder;
use ws_core::client::{Client, RemoteAnswers};
use ws_core::prelude::*;

use crate::instructions::total;
use crate::process::{Process, Under};
use crate::results;
use crate::servers::{Mode, SERVERS};

/// Calls in the shorter and in the longer run under valgrind.
const FEW: u32 = 500;
const MANY: u32 = 3_000;

/// Calls in each of the runs whose CPU time is measured.
const TIMED: u32 = 40_000;
const ROUNDS: usize = 5;

/// The clients, with the names of their rows.
const CLIENTS: [(&str, &str); 2] =
    [("ws-core", "ws-core, typed client"), ("jsonrpsee", "jsonrpsee, `WsClient`")];

/// The methods of the server, for the generated client.
#[websocket(envelope = JsonRpc)]
#[derive(Default)]
struct Calls;

#[websocket(client = CallsClient)]
impl Calls {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }
}

pub(crate) fn run() -> io::Result<()> {
    let server = SERVERS.iter().find(|server| server.key() == "ws-core-JSON-RPC");
    let server = server.ok_or_else(|| io::Error::other("no server for calls"))?;
    let process = Process::start(server, Mode::Rpc, Under::Nothing)?;
    let head = ["client", "CPU per call, µs", "× ws-core", "instructions per call", "× ws-core"];
    let mut text = results::row(head) + &results::rule(4);
    let mut times = vec![Vec::new(); CLIENTS.len()];
    for _ in 0..ROUNDS {
        for ((client, _), times) in CLIENTS.iter().zip(&mut times) {
            times.push(cpu_time(client, process.port)?);
        }
    }
    let mut first = None;
    for ((client, title), mut times) in CLIENTS.into_iter().zip(times) {
        let (few, many) = (count(client, process.port, FEW)?, count(client, process.port, MANY)?);
        let instructions = (many - few) / f64::from(MANY - FEW);
        times.sort_by(f64::total_cmp);
        let time = times[ROUNDS / 2];
        let (first_time, first_instructions) = *first.get_or_insert((time, instructions));
        text += &results::row([
            title,
            &results::number(time, 2),
            &results::number(time / first_time, 2),
            &results::number(instructions, 0),
            &results::number(instructions / first_instructions, 2),
        ]);
    }
    print!("{text}");
    results::replace_part("clients", &text)
}

/// Returns the CPU time of a call in microseconds, which the process of the client prints for all of them.
fn cpu_time(client: &str, port: u16) -> io::Result<f64> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["client", client, &port.to_string(), &TIMED.to_string()]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let nanos: f64 = text.trim().parse().map_err(io::Error::other)?;
    Ok(nanos / 1000.0 / f64::from(TIMED))
}

/// Returns the instructions of a process that makes this number of calls.
fn count(client: &str, port: u16, calls: u32) -> io::Result<f64> {
    let file = env::temp_dir().join(format!("benches-client-{}", std::process::id()));
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(Path::new(&file));
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(out).arg(env::current_exe()?);
    command.args(["client", client, &port.to_string(), &calls.to_string()]);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("the client failed: {status}")));
    }
    let text = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    total(&text)
}

/// Runs the command `client NAME PORT CALLS`. Prints the CPU time of the process in nanoseconds.
pub(crate) fn run_client(arguments: &[String]) -> io::Result<()> {
    let [name, port, calls] = arguments else {
        return Err(io::Error::other("client NAME PORT CALLS"));
    };
    let url = format!("ws://127.0.0.1:{port}/");
    let calls: i64 = calls.parse().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if name == "jsonrpsee" {
            let client = WsClientBuilder::default().build(&url).await.map_err(io::Error::other)?;
            for a in 1..=calls {
                let sum: i64 =
                    client.request("add", rpc_params![a, 56789]).await.map_err(io::Error::other)?;
                assert_eq!(sum, a + 56789);
            }
        } else {
            let client = Client::new(&url).no_proxy();
            let connected = CallsClient::connect_with(client, RemoteAnswers::new()).await;
            let client = connected.map_err(io::Error::other)?;
            for a in 1..=calls {
                assert_eq!(client.add(a, 56789).await.map_err(io::Error::other)?, a + 56789);
            }
        }
        Ok::<_, io::Error>(())
    })?;
    let times = fs::read_to_string("/proc/self/schedstat")?;
    println!("{}", times.split(' ').next().unwrap_or_default());
    Ok(())
}
