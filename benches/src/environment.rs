//! Description of the machine and of the measured versions.

use std::fs;
use std::thread::available_parallelism;

/// `Cargo.lock` at build time.
const LOCK: &str = include_str!("../../Cargo.lock");

const CRATES: [&str; 9] = [
    "axum",
    "actix-ws",
    "tokio-tungstenite",
    "fastwebsockets",
    "tokio-websockets",
    "ezsockets",
    "sockudo-ws",
    "yawc",
    "tokio",
];

/// Returns a paragraph of Markdown.
pub(crate) fn describe() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<&str> = kernel.trim().split(['.', '-']).take(2).collect();
    let virtual_machine = if field("flags").is_some_and(|flags| flags.contains("hypervisor")) {
        ", a virtual machine"
    } else {
        ""
    };
    let cores = available_parallelism().map_or(1, usize::from).max(online());
    format!(
        "{} with {cores} cores{virtual_machine}; Linux {}. {}.\n",
        field("model name").unwrap_or_else(|| "A machine".into()),
        kernel.join("."),
        CRATES.map(|name| format!("{name} {}", version(name))).join(", "),
    )
}

/// Returns the number of cores of the machine. This process is pinned to one of them.
fn online() -> usize {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines().filter(|line| line.starts_with("processor")).count()
}

/// Returns the newest version in the lock file. This crate depends on the newest; other crates may pull
/// in older ones.
fn version(name: &str) -> &'static str {
    let head = format!("name = \"{name}\"\nversion = \"");
    let version = |rest: &'static str| rest.split('"').next();
    LOCK.split(head.as_str()).skip(1).filter_map(version).last().unwrap_or("?")
}
