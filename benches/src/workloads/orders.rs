//! JSON in and out: every connection sends an order, waits for the receipt, and repeats.

use std::fmt::Write as _;
use std::io;

use super::{MESSAGES, Session, Workload, echo, text};
use crate::load::{Load, Offer};
use crate::servers::Mode;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    key: "json1k",
    title: "JSON in and out",
    about: "100 connections, one message in flight on each: an order in 1 KiB of JSON, which the server parses into a struct \
            with strings of its own, and a receipt of 0.3 KiB, which it writes from another. All servers share the structs and \
            serde_json.",
    mode: Mode::Json,
    columns: MESSAGES,
    run,
}];

/// Items of the order.
const ITEMS: u64 = 8;

/// Returns an order and its receipt.
fn order() -> (String, String) {
    let (mut items, mut lines, mut total) = (String::new(), String::new(), 0);
    for number in 0..ITEMS {
        let comma = if number == 0 { "" } else { "," };
        let (quantity, cents) = (number % 3 + 1, 1_999 + number * 350);
        let _ = write!(
            items,
            r#"{comma}{{"sku":"SKU-{number:05}","name":"Item {number} of the catalog","quantity":{quantity},"cents":{cents},"tags":["new","sale"]}}"#
        );
        let _ = write!(lines, r#"{comma}{{"sku":"SKU-{number:05}","cents":{}}}"#, quantity * cents);
        total += quantity * cents;
    }
    let order = format!(
        r#"{{"id":1234567,"customer":"Grace Hopper","street":"1 Main Street","city":"Arlington","note":"Leave it at the \"back\" door","items":[{items}]}}"#
    );
    let receipt =
        format!(r#"{{"order":1234567,"customer":"Grace Hopper","cents":{total},"lines":[{lines}]}}"#);
    (order, receipt)
}

fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let (order, receipt) = order();
    let order = text(order.as_bytes());
    let mut load = Load::connect(session.process.port, 100, Offer::Nothing)?;
    let answer = load.request(0, &order, 1)?;
    if answer != receipt.as_bytes() {
        let answer = String::from_utf8_lossy(&answer);
        return Err(io::Error::other(format!("this is not the receipt: {answer}")));
    }
    let pid = session.process.pid();
    Ok(echo::run(&mut load, pid, &order, 1, session.warm_up(), session.duration())?.figures())
}
