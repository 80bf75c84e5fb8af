//! Comments: words that do not come back, and markers that name a budget.

use std::collections::BTreeSet;
use std::fs;

use crate::{PROGRAM, sources_of, sources_with_tests_of, workspace};

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

pub(super) const FOLDERS: [&str; 7] =
    ["ws-core/src", PROGRAM, "ws-core/tests", "ws-macros/src", "examples", "benches/src", "tests"];

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
        for (path, text) in sources_with_tests_of(folder) {
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
    let sources = ["ws-core/src", "ws-macros/src"].map(sources_of);
    for (path, text) in sources.into_iter().flatten() {
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

/// Returns whether comments contain a marker with an entry of the budget.
fn has_budget(comments: &str) -> bool {
    comments.contains("PERF:") && comments.contains("budget: ") && !comments.contains("budget: none")
}

/// A marker of the whole module names the attribute, because such a marker may be about other code.
#[test]
fn forced_inlining_names_its_budget() {
    const ATTRIBUTE: &str = "#[inline(always)]";
    let (mut found, mut wrong) = (0, Vec::new());
    let sources = ["ws-core/src", "ws-macros/src"].map(sources_of);
    for (path, text) in sources.into_iter().flatten() {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let module: Vec<&str> = lines.iter().copied().filter(|line| line.starts_with("//!")).collect();
        let module = module.join(" ");
        let is_module_marked = has_budget(&module) && module.contains("inline(always)");
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == ATTRIBUTE) {
            found += 1;
            let above = lines[..at].iter().rev();
            let above = above.take_while(|line| line.starts_with("//") || line.starts_with("#[")).copied();
            let above: Vec<&str> = above.collect();
            let above: Vec<&str> = above.into_iter().rev().collect();
            if !is_module_marked && !has_budget(&above.join(" ")) {
                wrong.push(format!("{}:{}", path.display(), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "`{ATTRIBUTE}` without a `PERF:` marker:\n{}", wrong.join("\n"));
    assert!(found > 10, "{found} attributes");
}

/// The kind of an item with a doc comment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Function,
    Type,
    Other,
}

/// Returns the kind of the item that a line declares.
fn item(line: &str) -> Item {
    let words = line.split(|c: char| !(c.is_alphanumeric() || "_()".contains(c)));
    let modifiers = ["async", "const", "default", "extern", "unsafe"];
    let mut words = words.filter(|word| !word.starts_with("pub") && !word.is_empty());
    match words.find(|word| !modifiers.contains(word) && !word.ends_with(')')) {
        Some("fn") => Item::Function,
        Some("struct" | "enum" | "trait" | "type" | "union") => Item::Type,
        _ => Item::Other,
    }
}

/// Returns each documented item: the kind, the line and the first word of its documentation.
fn documented(text: &str) -> Vec<(Item, usize, &str)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_doc = |at: usize| lines[at].starts_with("///");
    let first_lines = (0..lines.len()).filter(|at| is_doc(*at) && (*at == 0 || !is_doc(at - 1)));
    let items = first_lines.filter_map(|at| {
        let mut below = lines[at..].iter();
        let declaration = below.find(|line| !line.starts_with("//") && !line.starts_with("#["))?;
        let word = lines[at].trim_start_matches('/').split_whitespace().next()?;
        Some((item(declaration), at + 1, word.trim_end_matches([',', '.', ':'])))
    });
    items.collect()
}

#[test]
fn documentation_begins_with_the_word_of_its_kind() {
    let files: Vec<_> = FOLDERS.into_iter().flat_map(sources_with_tests_of).collect();
    // The word that begins the documentation of a function is a verb.
    let items = files.iter().flat_map(|(_, text)| documented(text));
    let verbs: BTreeSet<&str> = items
        .filter(|(item, _, word)| *item == Item::Function && word.ends_with('s'))
        .map(|(_, _, word)| word)
        .collect();
    assert!(verbs.contains("Returns") && verbs.len() > 20, "{verbs:?}");
    let mut wrong = Vec::new();
    for (path, text) in &files {
        for (item, line, word) in documented(text) {
            let is_wrong = match item {
                Item::Function => word == "Whether",
                Item::Type => verbs.contains(word) || ["Has", "Whether", "How"].contains(&word),
                Item::Other => false,
            };
            if is_wrong {
                wrong.push(format!("{}:{line}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "a function begins with a verb, a type with a noun:\n{}", wrong.join("\n"));
}
