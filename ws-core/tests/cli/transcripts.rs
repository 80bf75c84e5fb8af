//! The transcripts of the documentation, against a server with the handler `Board`.

use std::process::Command;
use std::{env, fs};

use ws_core::Router;

use crate::Folder;
use crate::server::{Board, Docs, serve};

/// Runs the commands of a document's blocks of `console` in a shell, and compares what it prints.
#[track_caller]
fn check(document: &str) {
    let text = fs::read_to_string(format!("{}/{document}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let address = serve(Router::new().mount::<Board>(), Docs::Contract).to_string();
    let folder = Folder::new(&document.replace('/', "-"));
    let program = env!("CARGO_BIN_EXE_ws-core");
    let programs = program.strip_suffix("ws-core").unwrap();
    let path = format!("{programs}:{}", env::var("PATH").unwrap());
    let blocks: Vec<_> =
        text.split("\n```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        for entry in block.strip_prefix("$ ").unwrap().split("\n$ ") {
            // A command may go on after a backslash.
            let end = entry.match_indices('\n').find(|(at, _)| !entry[..*at].ends_with('\\')).unwrap().0;
            let (command, expect) = entry.split_at(end);
            let script = format!("exec 2>&1\n{}", command.replace("127.0.0.1:8080", &address));
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).env("PATH", &path).env("NO_PROXY", "*").current_dir(&folder.0);
            let output = shell.output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap().replace(&address, "127.0.0.1:8080");
            assert_eq!(printed.trim(), expect.trim(), "{command}");
        }
    }
}

#[test]
fn transcripts_of_the_guide_are_real() {
    check("docs/cli.md");
}

#[test]
fn transcripts_of_the_readme_are_real() {
    check("README.md");
}
