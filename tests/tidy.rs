//! Invariants of the source tree.

#[path = "tidy/log_lines.rs"]
mod log_lines;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/prose.rs"]
mod prose;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Layers of `ws-core`, lowest first. A module may import modules of its own rank and below.
const LAYERS: [&[&str]; 8] = [
    &[
        "clock",
        "last_call",
        "sync",
        "shrink",
        "close",
        "message",
        "options",
        "error",
        "panic",
        "span",
        "metrics",
        "envelope",
        "contract_model",
    ],
    &["wire", "timer", "mailbox"],
    &["payload", "reply", "event", "json", "topic", "work", "connections"],
    &["handler", "context"],
    &["address", "named", "transport", "upgrade", "scratch"],
    &["driver", "worker"],
    &["client", "router", "server", "test", "contract", "inspect"],
    &["private", "prelude", "guide", "fuzzing"],
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read_sources(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.insert(path, text);
        }
    }
}

/// Returns the Rust files of a folder, with their tests.
fn sources_with_tests_of(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    read_sources(&workspace().join(folder), &mut found);
    assert!(!found.is_empty());
    found
}

/// The program `ws-core`: a crate of its own, which knows the public items of the library only.
const PROGRAM: &str = "ws-core/src/bin/ws-core";

/// Returns the Rust files of a crate's folder without their tests: code under `#[cfg(test)]` may import any module.
fn sources_of(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = sources_with_tests_of(folder);
    for text in found.values_mut() {
        text.truncate(text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len()));
    }
    let root = workspace().join(folder);
    found.retain(|path, _| {
        let below = path.strip_prefix(&root).unwrap();
        !below.iter().any(|part| part == "tests" || part == "tests.rs" || part == "bin")
    });
    assert!(!found.is_empty());
    found
}

/// Returns a line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap()
}

#[test]
fn layers_point_downwards() {
    let rank = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let root = workspace().join("ws-core/src");
    let mut wrong = Vec::new();
    for (path, text) in sources_of("ws-core/src") {
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
fn wire_and_timer_have_no_io_and_no_clock() {
    let mut files = sources_of("ws-core/src/wire");
    let timer = workspace().join("ws-core/src/timer.rs");
    files.extend(sources_of("ws-core/src").into_iter().filter(|(path, _)| *path == timer));
    assert!(files.contains_key(&timer));
    for (path, text) in files {
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
    for (path, text) in sources_of("ws-macros/src") {
        if !path.iter().any(|part| part == "expand" || part == "fallback.rs") {
            continue;
        }
        for line in text.lines().map(code) {
            // Paths of generated code start from `__ws`, which `expand/mod.rs` defines.
            assert!(!line.contains("ws_core::"), "{}: {line}", path.display());
            assert!(!line.contains(" ::std::"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn files_have_a_readable_size() {
    let mut long = Vec::new();
    for folder in prose::FOLDERS {
        for (path, text) in sources_of(folder) {
            let lines = text.lines().count();
            if lines > 400 {
                long.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Returns the names of the examples and what follows them in the command that runs them.
fn examples() -> BTreeMap<String, String> {
    let manifest = fs::read_to_string(workspace().join("examples/Cargo.toml")).unwrap();
    let value = |example: &str, key: &str| {
        let line = example.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split('"').nth(1).unwrap().to_owned())
    };
    let examples = manifest.split("[[example]]").skip(1).map(|example| {
        let features = value(example, "required-features = ").map(|name| format!(" --features {name}"));
        (value(example, "name = ").unwrap(), features.unwrap_or_default())
    });
    examples.collect()
}

#[test]
fn every_example_documents_its_command() {
    let examples = examples();
    let reference = fs::read_to_string(workspace().join("docs/reference.md")).unwrap();
    let mut files = 0;
    for (path, text) in sources_of("examples") {
        if path.parent() != Some(&workspace().join("examples")) {
            continue; // The shared page is not an example.
        }
        files += 1;
        let name = path.file_stem().unwrap().to_str().unwrap();
        let features = &examples[name];
        let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let command = format!("--example {name}{features}");
        assert!(head.contains("cargo run") && head.contains(&command), "{name}");
        // A feature may have the name of an example.
        let begin = format!("| `{name}` |");
        let rows: Vec<_> = reference.lines().filter(|line| line.starts_with(&begin)).collect();
        assert!(!rows.is_empty(), "{name}");
        assert!(features.is_empty() || rows.iter().any(|row| row.contains(&command)), "{rows:?}");
    }
    assert_eq!(files, examples.len());
}

#[test]
fn first_example_builds_few_crates() {
    // From the root and without `-p`, as in the README.
    let mut tree = Command::new(env!("CARGO"));
    tree.args([
        "tree",
        "--offline",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p}",
    ]);
    let output = tree.current_dir(workspace()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
    assert!(crates.iter().any(|name| name.starts_with("ws-core ")), "{printed}");
    assert!(crates.len() <= 80, "{} crates: {crates:#?}", crates.len());
}

/// Returns the lines directly above a line: its doc comment and attributes.
fn above(text: &str, line: usize) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().take(line).collect();
    lines.into_iter().rev().take_while(|line| !line.trim().is_empty()).collect()
}

/// Returns the names that `pub use` exports from modules of this crate.
fn exports(text: &str) -> Vec<String> {
    let own = |path: &str| path.split("::").next().is_some_and(|module| LAYERS.concat().contains(&module));
    let uses = text.split("\npub use ").skip(1).map(|rest| rest.split(';').next().unwrap());
    let names = uses.filter(|path| own(path)).flat_map(|path| {
        let names = path.rsplit("::").next().unwrap().trim_matches(['{', '}']);
        names.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_exported_item_has_an_example() {
    let files = sources_of("ws-core/src");
    let root = fs::read_to_string(workspace().join("ws-core/src/lib.rs")).unwrap();
    let mut names = exports(&root);
    names.extend(["TestClient", "TestUpgrade", "Rejection"].map(String::from));
    assert!(names.len() > 30, "{names:?}");
    let mut missing = Vec::new();
    for name in names {
        let declares = |line: &str| {
            ["struct", "enum", "trait", "type", "fn", "async fn"].iter().any(|kind| {
                let rest = line.strip_prefix(&format!("pub {kind} {name}"));
                rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            }) || (line.starts_with("pub use ") && line.ends_with(&format!("::{name};")))
        };
        let found = files.values().flat_map(|text| {
            text.lines().enumerate().filter(|(_, line)| declares(line)).map(move |(at, _)| above(text, at))
        });
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty(), "{name} is exported from nowhere");
        if !found.iter().flatten().any(|line| line.starts_with("/// ```")) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "no example in the documentation of {missing:?}");
}

#[test]
fn every_attribute_has_an_example() {
    for file in ["lib.rs", "prelude.rs"] {
        let text = fs::read_to_string(workspace().join("ws-core/src").join(file)).unwrap();
        let macros = text.lines().enumerate().filter(|(_, line)| line.starts_with("pub use ws_macros::"));
        let macros: Vec<_> = macros.collect();
        assert!(!macros.is_empty());
        for (at, line) in macros {
            let has_example = above(&text, at).iter().any(|line| {
                let included =
                    line.strip_prefix("#[doc = include_str!(\"").and_then(|rest| rest.split('"').next());
                let included = included.map(|path| workspace().join("ws-core/src").join(path));
                line.starts_with("/// ```")
                    || included.is_some_and(|path| fs::read_to_string(path).unwrap().contains("\n```\n"))
            });
            assert!(has_example, "{file}: {line}");
        }
    }
}

/// Returns a Markdown file without its programs, in which `[…]` is not a link.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The README and the chapters of the guide.
fn guide() -> impl Iterator<Item = PathBuf> {
    let docs = fs::read_dir(workspace().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let chapters = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    chapters.chain([workspace().join("README.md")])
}

/// The anchors of a Markdown file's headings, as code hosts and rustdoc derive them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let line = line.trim_start_matches('#').trim().to_lowercase();
        let allowed = line.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        allowed.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// Returns whether a link of a Markdown file leads to a file, and to a heading if it names one.
fn leads_somewhere(from: &Path, target: &str) -> bool {
    if target.starts_with("https://") {
        return true;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { from.to_owned() } else { from.parent().unwrap().join(file) };
    let Ok(text) = fs::read_to_string(&path) else { return path.exists() && anchor.is_empty() };
    anchor.is_empty() || anchors(&prose(&text)).iter().any(|found| found == anchor)
}

#[test]
fn snippets_of_the_guide_have_no_hidden_lines() {
    for path in guide() {
        let text = fs::read_to_string(&path).unwrap();
        let hidden =
            text.split("```").skip(1).step_by(2).filter(|code| code.starts_with("rust")).find(|code| {
                code.lines().any(|line| line.trim() == "#" || line.trim_start().starts_with("# "))
            });
        assert_eq!(hidden, None, "{}: code hosts show lines that begin with `# `", path.display());
    }
}

#[test]
fn links_of_the_guide_resolve() {
    let rustdoc = fs::read_to_string(workspace().join("ws-core/src/guide.links")).unwrap();
    let mut wrong = Vec::new();
    for path in guide() {
        let text = prose(&fs::read_to_string(&path).unwrap());
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in inline {
            if !leads_somewhere(&path, target) {
                wrong.push(format!("{}: {target} does not exist", path.display()));
            }
        }
        for line in text.lines().filter(|line| line.starts_with('[')) {
            let Some((label, target)) = line.split_once("]: ") else { continue };
            if !leads_somewhere(&path, target) {
                wrong.push(format!("{}: {target} does not exist", path.display()));
            }
            if target.ends_with(".rs") {
                wrong.push(format!("{}: {target} is source code", path.display()));
            }
            if target.starts_with("https://") {
                continue;
            }
            if !rustdoc.contains(&format!("{label}]: ")) {
                wrong.push(format!("{}: {label}] is not in guide.links", path.display()));
            }
        }
        // A code host would show a link that only rustdoc knows as plain brackets.
        for label in rustdoc.lines().filter_map(|line| line.split_once("]: ")).map(|(label, _)| label) {
            let used = text.contains(&format!("{label}]"));
            if used && !text.contains(&format!("\n{label}]: ")) {
                wrong.push(format!("{}: {label}] is not defined", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn guide_shows_the_first_example() {
    let chapter = fs::read_to_string(workspace().join("docs/start.md")).unwrap();
    let example = fs::read_to_string(workspace().join("examples/first.rs")).unwrap();
    // The example's `main` and page are its own.
    let (_, code) = example.split_once("mod page;\n\n").unwrap();
    let (handler, rest) = code.split_once("#[tokio::main]").unwrap();
    let (_, test) = rest.split_once("#[cfg(test)]").unwrap();
    assert!(chapter.contains(handler), "the handler of docs/start.md is not that of examples/first.rs");
    assert!(chapter.contains(test), "the test of docs/start.md is not that of examples/first.rs");
}
