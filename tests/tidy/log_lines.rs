//! The table of log lines in the chapter about observability.

use std::collections::BTreeSet;

use proc_macro2::TokenTree;
use syn::visit::{self, Visit};

use crate::{sources_of, workspace};

/// The log lines of a file: level and message.
#[derive(Default)]
struct LogLines(BTreeSet<(String, String)>);

impl<'ast> Visit<'ast> for LogLines {
    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        let path: Vec<_> = found.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [first, level] = path.as_slice()
            && first == "tracing"
            && ["error", "warn", "info", "debug"].contains(&level.as_str())
        {
            let message = found.tokens.clone().into_iter().filter_map(|token| match token {
                TokenTree::Literal(literal) => syn::parse_str::<syn::LitStr>(&literal.to_string()).ok(),
                _ => None,
            });
            let message = message.last().unwrap_or_else(|| panic!("no message: {}", found.tokens));
            self.0.insert((level.clone(), message.value()));
        }
        visit::visit_macro(self, found);
    }
}

#[test]
fn log_lines_are_documented_with_their_level() {
    let chapter = std::fs::read_to_string(workspace().join("docs/observability.md")).unwrap();
    let mut lines = LogLines::default();
    for (path, text) in sources_of("ws-core/src") {
        // The lines of topics are not in the table, and those of the command line are its output.
        if !path.iter().any(|part| part == "topic" || part == "bin") {
            lines.visit_file(&syn::parse_file(&text).unwrap());
        }
    }
    assert!(lines.0.len() > 40, "{:?}", lines.0);
    let is_documented = |(level, message): &&(String, String)| {
        let mut rows = chapter.lines().filter(|row| row.starts_with("| `") && row.contains(message.as_str()));
        rows.any(|row| row.contains(&format!("`{level}`")))
    };
    let missing: Vec<_> = lines.0.iter().filter(|line| !is_documented(line)).collect();
    assert!(missing.is_empty(), "not in docs/observability.md: {missing:#?}");
}
