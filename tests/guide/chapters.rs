//! Parts of chapters that are copies of other files.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// Returns the first code block of a chapter that begins with this fence.
fn block<'a>(chapter: &'a str, language: &str) -> &'a str {
    let block = chapter.split(&format!("\n```{language}\n")).nth(1).unwrap();
    &block[..=block.find("\n```").unwrap()]
}

#[test]
fn configurations_of_the_guide_are_those_of_the_tests() {
    let chapter = read("../docs/deployment.md");
    assert_eq!(block(&chapter, "nginx"), read("proxies/nginx.conf"));
    assert_eq!(block(&chapter, "haproxy"), read("proxies/haproxy.cfg"));
}

#[test]
fn trace_of_the_guide_is_that_of_the_tests() {
    let chapter = read("../docs/observability.md");
    let test = read("spans/open_telemetry.rs");
    let snippet = block(&chapter, "rust,ignore");
    let lines = snippet.lines().map(|line| format!("    {line}\n"));
    assert!(test.contains(&lines.collect::<String>()), "{snippet}");
}

/// The sections of benches/RESULTS.md that the guide cites: heading, and name in the guide.
const FIGURES: [(&str, &str); 8] = [
    ("Echo, 64 bytes of text", "echo of 64 bytes, CPU µs"),
    ("Echo, 64 bytes of text, 16 in flight", "… 16 in flight"),
    ("Echo, 16 KiB of binary", "echo of 16 KiB, CPU µs"),
    ("Echo, 1 MiB of binary", "echo of 1 MiB, CPU µs"),
    ("Connections", "connection: handshake and close, CPU µs"),
    ("Fan-out to 1,000", "delivery to one of 1,000, CPU µs"),
    ("A timer in each connection", "tick of a timer, CPU µs"),
    ("Memory of an idle connection", "idle connection, bytes"),
];

/// Returns a cell of the row of a server.
fn figure<'a>(results: &'a str, heading: &str, server: &str, column: usize) -> &'a str {
    let section = results.split(&format!("\n### {heading}\n")).nth(1).unwrap();
    let section = section.split("\n### ").next().unwrap();
    let row = section.lines().find(|line| line.starts_with(&format!("| {server} |"))).unwrap();
    row.split('|').nth(column + 1).unwrap().trim()
}

/// `UPDATE_EXPECT=1` writes the table into the chapter.
#[test]
fn figures_of_the_guide_are_those_of_the_results() {
    const MARKS: [&str; 2] = ["<!-- figures -->\n\n", "\n<!-- end of figures -->"];
    let results = read("../benches/RESULTS.md");
    let mut table = "| | ws-core | axum | × ws-core |\n|---|--:|--:|--:|\n".to_owned();
    for (heading, name) in FIGURES {
        let ours = figure(&results, heading, "ws-core", 1);
        let theirs = [1, 2].map(|column| figure(&results, heading, "axum", column));
        writeln!(table, "| {name} | {ours} | {} | {} |", theirs[0], theirs[1]).unwrap();
    }
    let chapter = read("../docs/choosing.md");
    let (before, rest) = chapter.split_once(MARKS[0]).unwrap();
    let (present, after) = rest.split_once(MARKS[1]).unwrap();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let chapter = [before, MARKS[0], &table, MARKS[1], after].concat();
        fs::write(path("../docs/choosing.md"), chapter).unwrap();
        return;
    }
    assert_eq!(present, table, "UPDATE_EXPECT=1 writes the new table");
}
