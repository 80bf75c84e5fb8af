//! The program `ws-core` against a server in this process.

#![allow(clippy::pedantic, unreachable_pub, missing_docs)]

#[path = "cli/contracts.rs"]
mod contracts;
#[path = "cli/interactive.rs"]
mod interactive;
#[path = "cli/server.rs"]
mod server;
#[path = "cli/transcripts.rs"]
mod transcripts;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

use server::{Docs, Plain, router, serve, serve_over};
use ws_core::{Router, Tls};

/// Returns the address of the server that all tests share.
fn address() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| serve(router(), Docs::Contract))
}

fn board() -> String {
    format!("ws://{}/board/nyse", address())
}

fn trouble() -> String {
    format!("ws://{}/trouble", address())
}

/// Runs the program with an input.
fn run_with(arguments: &[&str], input: &[u8]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ws-core"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        program.env_remove(name);
    }
    program.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().unwrap();
    // A program that reads no input closes the pipe.
    _ = program.stdin.take().unwrap().write_all(input);
    program.wait_with_output().unwrap()
}

/// Runs the program. Checks its exit code and its output, and returns stderr.
#[track_caller]
fn check(arguments: &[&str], input: &str, code: i32, stdout: &str) -> String {
    let output = run_with(arguments, input.as_bytes());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let found = (output.status.code(), String::from_utf8(output.stdout).unwrap());
    assert_eq!(found, (Some(code), stdout.to_owned()), "{stderr}");
    stderr
}

/// Like [`check`], but without output, and for the text of stderr.
#[track_caller]
fn check_error(arguments: &[&str], code: i32, stderr: &[&str]) {
    let found = check(arguments, "", code, "");
    for part in stderr {
        assert!(found.contains(part), "{found}");
    }
}

/// A folder that is removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("ws-core-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn contract(&self) -> String {
        let path = self.path("contract.json");
        fs::write(&path, router().contract().to_json()).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn calls_print_the_result() {
    let url = board();
    let call = |parameters: &[&str]| {
        let stderr = check(&[&["call", &url, "subscribe"], parameters].concat(), "", 0, "2\n");
        assert_eq!(stderr, "");
    };
    call(&[r#"{"symbols": ["AAPL", "ACME"]}"#]);
    call(&[r#"[["AAPL", "ACME"], 3]"#]);
    call(&[r#"symbols=["AAPL", "ACME"]"#, "depth=3"]);
    check(&["call", &url, "subscribe", "-"], r#"{"symbols": []}"#, 0, "0\n");
}

#[test]
fn messages_follow_the_answer() {
    let price = |symbol, cents| {
        format!("{{\"name\":\"price\",\"content\":{{\"symbol\":\"{symbol}\",\"cents\":{cents}}}}}\n")
    };
    let stdout = format!("2\n{}{}", price("A", 100), price("B", 101));
    check(&["call", &board(), "subscribe", r#"[["A", "B"]]"#, "--follow=2"], "", 0, &stdout);
    let stdout = format!("{}{{\"name\":\"closed\",\"content\":null}}\n", price("A", 1));
    check(&["send", &board(), "watch", "symbol=A", "--follow=2"], "", 0, &stdout);
}

#[test]
fn errors_of_the_server_are_typed() {
    let stderr =
        check(&["call", &board(), "order", "id=7", "side=buy", "--answer", "confirm=false"], "", 1, "");
    assert_eq!(
        stderr,
        "error: `order` failed: -32001 not confirmed\ndata: \"try again\"\ncontract: -32001 the user said no, with string\n"
    );
    check(&["call", &board(), "order", "id=7", "side=sell", "--answer", "confirm=true"], "", 0, "7\n");
    // Without an answer, the server gets an error.
    check_error(
        &["call", &board(), "order", "id=7", "side=sell"],
        1,
        &["warning: the server calls `confirm` with {\"order\":7}", "`--answer confirm=JSON` answers"],
    );
}

#[test]
fn parameters_are_checked_before_the_connection() {
    // There is no server.
    let folder = Folder::new("parameters");
    let contract = folder.contract();
    let check = |name: &str, parameters: &[&str], stderr: &[&str]| {
        let arguments = ["call", "ws://127.0.0.1:1/board/nyse", "--contract", &contract, name];
        check_error(&[&arguments, parameters].concat(), 2, stderr);
    };
    let signature = "help: the contract has `subscribe(symbols: string[], depth?: integer (uint8) | null)`";
    check("subscribe", &[], &["`symbols` is missing, and the contract says: string[]", signature]);
    check("subscribe", &["symbol=A"], &["no parameter `symbol`; did you mean `symbols`?", signature]);
    check("subscribe", &[r#"symbols=["A",1]"#], &["`symbols[1]` is 1, and the contract says: string"]);
    check("subscribe", &["symbols=[]", "depth=300"], &["`depth` is 300, and the contract says: integer"]);
    check("order", &["id=1", "side=hold"], &["`side` is \"hold\", and the contract says: Side"]);
    check(
        "subscirbe",
        &[],
        &["`Board` has no call `subscirbe`; did you mean `subscribe`?", "help: its calls: "],
    );
    check("watch", &["symbol=A"], &["`watch` is a message", "`ws-core send URL watch …` sends it"]);
}

#[test]
fn connections_that_fail_have_a_code() {
    check_error(
        &["call", "ws://127.0.0.1:1/", "add"],
        3,
        &["ws://127.0.0.1:1/: cannot connect", "help: check"],
    );
    check_error(&["call", "http://127.0.0.1:1/", "add", "--no-contract"], 2, &["neither `ws` nor `wss`"]);
    let nowhere = format!("ws://{}/nowhere", address());
    check_error(
        &["call", &nowhere, "add"],
        2,
        &["no handler at the path /nowhere", "Board at /board/{_market}"],
    );
    check_error(
        &["call", &nowhere, "add", "--no-contract"],
        3,
        &["404 Not Found: not found", "help: check the path"],
    );
    let stall = ["call", &trouble(), "stall", "--timeout", "100ms"];
    check_error(&stall, 3, &["did not answer `stall` within 100ms", "`--timeout 1m` waits longer"]);
    check_error(&["call", &trouble(), "leave"], 3, &["closed by the server: 4401 (contract: log in first)"]);
    check_error(
        &["call", &trouble(), "stall", "--subprotocol", "x"],
        3,
        &["none of the subprotocols", "help: offer"],
    );
    check_error(&["call", &trouble(), "stall", "-H", "Upgrade: x"], 2, &["belongs to the handshake"]);
}

#[test]
fn without_a_contract_json_rpc_is_used() {
    let url = format!("ws://{}/plain", serve(Router::new().mount::<Plain>(), Docs::Nothing));
    check(&["call", &url, "add", "[1, 2]"], "", 0, "3\n");
    check(&["call", &url, "add", "a=1", "b=-5"], "", 0, "-4\n");
    check_error(&["call", &url, "ad"], 1, &["error: `ad` failed: -32601 method `ad` not found"]);
    check_error(
        &["call", &url, "add", "--handler", "Plain", "--contract", "/does/not/exist"],
        2,
        &["cannot read"],
    );
}

#[test]
fn certificates_of_a_file_are_trusted() {
    let folder = Folder::new("tls");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path("cert.pem"), folder.path("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let address = serve_over(router(), Docs::Contract, Some(Tls::load(&certificate, &key).unwrap()));
    let url = format!("wss://localhost:{}/board/nyse", address.port());
    check(&["call", &url, "subscribe", "symbols=[]", "--ca", &certificate], "", 0, "0\n");
    check_error(
        &["call", &url, "subscribe", "symbols=[]"],
        3,
        &["TLS handshake failed", "help: `--ca FILE`"],
    );
    check_error(&["call", &url, "subscribe", "--ca", &key], 2, &["there is no certificate"]);
}

#[test]
fn handlers_without_an_envelope_take_messages() {
    let url = format!("ws://{}/echo", address());
    check(&["send", &url, "said", "hi", "--follow=1"], "", 0, "{\"content\":\"hi\"}\n");
    check(&["send", &url, "said", r#"{"a": 1.50}"#, "--follow=1"], "", 0, "{\"content\":{\"a\":1.50}}\n");
    check(&["send", &url, "sent", "hi", "--follow=1"], "", 0, "{\"content\":{\"binary\":\"aGk=\"}}\n");
    // What would control a terminal is escaped.
    check(
        &["send", &url, "said", "\u{1b}[31m\u{9b}", "--follow=1"],
        "",
        0,
        "{\"content\":\"\\u001b[31m\\u009b\"}\n",
    );
    check_error(&["call", &url, "said"], 2, &["`said` is a message"]);
}

#[test]
fn usage_errors_exit_with_two() {
    check_error(&["call"], 2, &["Usage: ws-core call"]);
    check_error(&["cal"], 2, &["'call'"]);
    check_error(&["call", &trouble(), "stall", "--timeout", "10"], 2, &["500ms, 10s, 2m or 1h"]);
    check_error(
        &["call", &trouble(), "stall", "--ca", "/does/not/exist"],
        2,
        &["cannot use the certificates"],
    );
    let help = run_with(&["--help"], b"");
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("Exit codes: 0 success; 1") && help.contains("at most 16 MiB"), "{help}");
    assert!(!help.contains('\u{1b}'), "{help}");
}
