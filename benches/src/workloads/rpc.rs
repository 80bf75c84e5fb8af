//! Calls: every connection sends a JSON-RPC call of 64 bytes, waits for the answer, and repeats.

use std::io;
use std::rc::Rc;

use super::{MESSAGES, Session, Workload, echo, text};
use crate::load::{Load, Offer};
use crate::servers::Mode;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    key: "rpc64",
    title: "JSON-RPC, a call of 64 bytes",
    about: "100 connections, one call `add` in flight on each. By hand means a `match` on the method, without \
            the errors and batches of the specification.",
    mode: Mode::Rpc,
    columns: MESSAGES,
    run,
}];

const CALL: &str = r#"{"jsonrpc":"2.0","id":1234,"method":"add","params":[1234,56789]}"#;

/// Returns the frame of a call.
pub(crate) fn call() -> Rc<[u8]> {
    text(CALL.as_bytes())
}

fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let mut load = Load::connect(session.process.port, 100, Offer::Nothing)?;
    let answer = load.request(0, &call(), 1)?;
    // The order of the members differs between servers.
    let answer = String::from_utf8_lossy(&answer);
    if ![r#""result":58023"#, r#""id":1234"#].iter().all(|member| answer.contains(member)) {
        return Err(io::Error::other(format!("this is no answer: {answer}")));
    }
    let pid = session.process.pid();
    Ok(echo::run(&mut load, pid, &call(), 1, session.warm_up(), session.duration())?.figures())
}
