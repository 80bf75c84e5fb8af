//! Invariants of the code, as tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers of `ws-core`, lowest first: a module knows those of its own rank and below.
const LAYERS: [&[&str]; 8] = [
    &["close", "message", "options", "error"],
    &["wire", "timer"],
    &["payload", "reply", "event", "json"],
    &["handler", "context", "address"],
    &["transport", "upgrade"],
    &["driver"],
    &["router", "server", "test"],
    &["private", "prelude", "guide"],
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            // What is under `#[cfg(test)]` may know everything.
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap().to_owned();
            found.insert(path, code);
        }
    }
}

fn of(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    sources(&workspace().join(folder), &mut found);
    found.retain(|path, _| !path.iter().any(|part| part == "tests" || part == "tests.rs"));
    assert!(!found.is_empty());
    found
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap()
}

#[test]
fn layers_point_downwards() {
    let rank = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let root = workspace().join("ws-core/src");
    let mut wrong = Vec::new();
    for (path, text) in of("ws-core/src") {
        let relative = path.strip_prefix(&root).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let own = rank(module).unwrap_or_else(|| panic!("{module} has no layer"));
        for line in text.lines().map(code) {
            for used in line.split("crate::").skip(1) {
                let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if rank(&name).is_some_and(|used| used > own) {
                    wrong.push(format!("{}: {line}", relative.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn core_does_no_io_and_has_no_clock() {
    for (path, text) in of("ws-core/src/wire") {
        for line in text.lines().map(code) {
            let io = [
                "tokio",
                "hyper",
                "Instant::now",
                "std::net",
                "std::fs",
                "std::thread",
                ".await;",
                ".await ",
            ];
            assert!(!io.iter().any(|word| line.contains(word)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn expansions_name_only_the_private_module_and_core() {
    for (path, text) in of("ws-macros/src") {
        if !path.iter().any(|part| part == "expand" || part == "fallback.rs") {
            continue;
        }
        for line in text.lines().map(code) {
            for used in line.split("::ws_core::").skip(1) {
                assert!(used.starts_with("private"), "{}: {line}", path.display());
            }
            assert!(!line.contains(" ::std::"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn files_are_of_a_size_to_read() {
    let mut long = Vec::new();
    for folder in ["ws-core/src", "ws-macros/src", "examples"] {
        for (path, text) in of(folder) {
            let lines = text.lines().count();
            if lines > 400 {
                long.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_example_says_how_to_run_it() {
    for (path, text) in of("examples") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(head.contains("cargo run") && head.contains(&format!("--example {name}")), "{name}");
    }
}
