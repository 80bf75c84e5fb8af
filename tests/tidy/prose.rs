//! Comments: words that do not come back, and markers that name a budget.

use std::fs;

use crate::{sources_of, workspace};

/// Phrases without a plain subject, or with a meaning that only this project knew.
const PHRASES: [&str; 14] = [
    "The same of ",
    "the same of ",
    "The same for ",
    "That of ",
    "What is ",
    "What was ",
    "nobody",
    "Nobody",
    "somebody",
    "whoever",
    "Whoever",
    "so many ",
    "at the most",
    " is no ",
];

pub(super) const FOLDERS: [&str; 5] = ["ws-core/src", "ws-macros/src", "examples", "benches/src", "tests"];

/// Returns whether a text contains one of [`PHRASES`]. "There is no" is a plain sentence.
fn is_unplain(text: &str) -> bool {
    let text = text.replace("here is no ", "");
    PHRASES.iter().any(|phrase| text.contains(phrase))
}

/// Returns the comment of a line, if it has one.
fn comment(line: &str) -> Option<&str> {
    let (code, text) = line.split_once("//")?;
    // A `//` inside of a string literal, for example of an address.
    (!code.ends_with(':') && !code.ends_with('"')).then_some(text)
}

#[test]
fn comments_use_plain_words() {
    let mut wrong = Vec::new();
    for folder in FOLDERS {
        for (path, text) in sources_of(folder) {
            if path.ends_with("tidy/prose.rs") {
                continue;
            }
            for (at, line) in text.lines().enumerate() {
                let Some(comment) = comment(line) else { continue };
                if is_unplain(comment) {
                    wrong.push(format!("{}:{}: {}", path.display(), at + 1, comment.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "rewrite these by the rules in CONTRIBUTING.md:\n{}", wrong.join("\n"));
}

#[test]
fn documents_use_plain_words() {
    let mut wrong = Vec::new();
    let mut folders = vec![workspace().join("docs")];
    let mut files: Vec<_> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "benches/README.md"]
        .map(|name| workspace().join(name))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    for path in files {
        for (at, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let line = line.replace("`ws.nobody`", ""); // A subject at the NATS server.
            if is_unplain(&line) {
                wrong.push(format!("{}:{}: {line}", path.display(), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "rewrite these by the rules in CONTRIBUTING.md:\n{}", wrong.join("\n"));
}

/// Returns the probes of `benches/budget.toml`.
fn budget_keys() -> Vec<String> {
    let budget = fs::read_to_string(workspace().join("benches/budget.toml")).unwrap();
    budget.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect()
}

/// `// PERF: reason; budget: text64` names the entry that guards the code, `budget: none (reason)` says
/// why there is none. The marker may continue on the following comment lines.
#[test]
fn performance_code_names_its_budget() {
    let keys = budget_keys();
    let (mut found, mut wrong) = (0, Vec::new());
    for (path, text) in sources_of("ws-core/src") {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if !line.contains("// PERF:") && !line.contains("/// PERF:") && !line.contains("//! PERF:") {
                continue;
            }
            found += 1;
            let block: Vec<&str> =
                lines[at..].iter().take_while(|line| line.trim_start().starts_with("//")).copied().collect();
            let block = if block.is_empty() { line.to_string() } else { block.join(" ") };
            let budgets: Vec<&str> = block
                .split("budget: ")
                .skip(1)
                .flat_map(|rest| rest.split(['.', ';', ')', '\n']).next())
                .flat_map(|names| names.split([',', ' ']))
                .filter(|name| !name.is_empty() && *name != "and")
                .collect();
            let known = |name: &&str| keys.iter().any(|key| key == name.trim_matches('`'));
            let ok = match budgets.first() {
                None => false,
                Some(&"none") => block.contains("budget: none ("),
                Some(_) => known(&budgets[0]),
            };
            if !ok {
                wrong.push(format!("{}:{}: {}", path.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "no entry of benches/budget.toml guards:\n{}", wrong.join("\n"));
    assert!(found > 10, "{found} markers");
}
