//! The tables of close codes and texts in docs/errors.md, against the code that sends them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ws_core::{CloseCodes, ProtocolError};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns the rows of the section about the server's own close codes, cell by cell.
fn rows() -> Vec<Vec<String>> {
    let chapter = read("../docs/errors.md");
    let section = chapter.split("\n## The server's own close codes\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.replace('`', "")).collect();
    rows.map(cells).map(|row: Vec<String>| row.iter().map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Adds the string literals inside each `BadFrame(…)` of the sources in a folder.
fn texts_of_bad_frames(folder: &Path, texts: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            texts_of_bad_frames(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests" {
            let source = fs::read_to_string(&path).unwrap();
            let source = source.split("\n#[cfg(test)]\nmod ").next().unwrap();
            for arguments in source.split("BadFrame(").skip(1) {
                let mut open = 1;
                let end = arguments.find(|c| {
                    open += i32::from(c == '(') - i32::from(c == ')');
                    open == 0
                });
                let literals = arguments[..end.unwrap()].split('"').skip(1).step_by(2);
                texts.extend(literals.map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_text_of_a_bad_frame_is_documented() {
    let mut sent = BTreeSet::new();
    texts_of_bad_frames(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../ws-core/src"), &mut sent);
    assert!(sent.len() > 10, "{sent:?}");
    let rows = rows();
    let documented = rows.iter().filter(|row| row[0] == "1002").map(|row| row[1].clone());
    assert_eq!(documented.collect::<BTreeSet<_>>(), sent);
}

#[test]
fn every_text_of_a_cause_is_documented() {
    let CloseCodes {
        timeout,
        pong,
        expired,
        shutdown,
        overflow,
        rate,
        size,
        unsupported,
        decode,
        error,
        panic,
        ..
    } = CloseCodes::DEFAULT;
    let defaults = [
        ("timeout", timeout),
        ("pong", pong),
        ("expired", expired),
        ("shutdown", shutdown),
        ("overflow", overflow),
        ("rate", rate),
        ("size", size),
        ("unsupported", unsupported),
        ("decode", decode),
        ("error", error),
        ("panic", panic),
    ];
    let rows = rows();
    for (name, (code, text)) in defaults {
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no row for {name}"));
        assert_eq!((&*row[1], &*row[2]), (&*code.to_string(), text), "{name}");
    }
    // A cause that is not declared above has no row of four cells, besides the head and the line below it.
    assert_eq!(rows.iter().filter(|row| row.len() == 4).count(), defaults.len() + 2);
    for error in [ProtocolError::BadEncoding, ProtocolError::BadCompression] {
        let row = ["1007".to_owned(), error.to_string()];
        assert!(rows.iter().any(|found| found[..2] == row), "{row:?}");
    }
}

/// Returns the names of the variants of `CloseReason`.
fn reasons() -> Vec<String> {
    let source = read("../ws-core/src/close.rs");
    let body = source.split("\npub enum CloseReason {\n").nth(1).unwrap();
    let body = body.split("\n}\n").next().unwrap();
    // Variants have one level of indentation.
    let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    variants.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()).collect()
}

#[test]
fn lists_of_reasons_are_complete() {
    let chapter = read("../docs/errors.md");
    let table = chapter.split("\n## Why it ended\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let reference = read("../docs/reference.md");
    let list = reference.split("`#[on_close]` gets the `CloseReason`: ").nth(1).unwrap();
    let list = list.split(". ").next().unwrap();
    let reasons = reasons();
    assert!(reasons.len() > 10, "{reasons:?}");
    for reason in reasons {
        assert!(table.contains(&format!("`{reason}")), "docs/errors.md lacks {reason}");
        assert!(list.contains(&format!("`{reason}`")), "docs/reference.md lacks {reason}");
    }
}
