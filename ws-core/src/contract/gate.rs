//! The test that no change of a contract breaks clients.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::compare::{HandlerChanges, compare};
use super::rules::{ClientEffect, Rule};
use crate::contract_model::Contract;
use crate::router::Router;

/// Checks that the contract of a router is the one in a file, and says what a difference does to clients that are out
/// there. Call it in a test, and commit the file.
///
/// | the contract | the check |
/// |---|---|
/// | equals the file | passes |
/// | has no file yet | fails, until `UPDATE_CONTRACT=1 cargo test` has written it |
/// | differs in a way that clients do not notice | fails, until `UPDATE_CONTRACT=1 cargo test` has accepted it |
/// | breaks clients | fails with a sentence for each change, until the version in `contract(version = 2)` is raised and `UPDATE_CONTRACT=1 cargo test` has accepted it |
///
/// A handler that is gone has no version to raise: remove its entry from the file. The guide has the table of
/// [all rules](crate::guide::contract). A relative path begins at the folder of the package, where `cargo test` runs.
///
/// ```
/// use ws_core::{contract, prelude::*};
///
/// #[websocket(path = "/board", envelope = JsonRpc)]
/// #[derive(Default)]
/// struct Board;
///
/// #[websocket(contract)]
/// impl Board {
///     #[on_call]
///     fn add(&mut self, a: i64, b: i64) -> i64 {
///         a + b
///     }
/// }
///
/// fn router() -> Router {
///     Router::new().mount::<Board>()
/// }
///
/// // In a test:
/// # let folder = std::env::temp_dir().join(format!("contract-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let file = folder.join("board.json");
/// # std::fs::write(&file, router().contract().to_json()).unwrap();
/// # let of_repository = "contract/board.json";
/// contract::check(&file, &router()); // "contract/board.json"
/// # std::fs::remove_dir_all(&folder).unwrap();
/// ```
///
/// # Panics
///
/// Panics if the contract differs from the file, or if the file cannot be read: another format, unknown or missing
/// members, a reference that leads nowhere, no JSON. A file that cannot be read is never overwritten.
///
/// No other value of `UPDATE_CONTRACT` than 1 writes, and the check writes in CI too if the variable is set there: set
/// it by hand only. The file is replaced at once, so that tests may check the same file at the same time.
#[track_caller]
pub fn check(file: impl AsRef<Path>, router: &Router) {
    let is_update = std::env::var_os("UPDATE_CONTRACT").is_some_and(|value| value == "1");
    if let Err(why) = check_file(file.as_ref(), &router.contract(), is_update) {
        panic!("{why}");
    }
}

/// Compares a contract with its file, and writes the file if that is allowed.
fn check_file(file: &Path, new: &Contract, is_update: bool) -> Result<(), String> {
    let name = file.display();
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if is_update {
                return write(file, new);
            }
            return Err(format!(
                "there is no contract at `{name}`\nhelp: write it with `UPDATE_CONTRACT=1 cargo test`, and commit it"
            ));
        }
        Err(error) => return Err(format!("the contract at `{name}` cannot be read: {error}")),
    };
    let old = Contract::from_json(&text).map_err(|why| {
        format!(
            "the contract at `{name}` cannot be read: {why}\n\
             help: restore the file from the last commit; to begin anew, delete it and use `UPDATE_CONTRACT=1`"
        )
    })?;
    if old == *new {
        return Ok(());
    }
    let changes = compare(&old, new);
    let is_refused = changes.iter().any(|changes| !is_allowed(changes));
    if is_update && !is_refused {
        return write(file, new);
    }
    Err(report(&name.to_string(), &changes, is_refused))
}

/// Writes the file at once, because other tests may read it at the same time.
fn write(file: &Path, contract: &Contract) -> Result<(), String> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let write = || {
        let folder = file.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(folder)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unfinished = folder.join(format!(".contract-{}-{number}.tmp", std::process::id()));
        let written = fs::write(&unfinished, contract.to_json()).and_then(|()| fs::rename(&unfinished, file));
        written.inspect_err(|_| _ = fs::remove_file(&unfinished))
    };
    write().map_err(|error| format!("the contract cannot be written to `{}`: {error}", file.display()))
}

/// Returns whether the changes of a handler may be accepted: none breaks clients, or its version is raised.
fn is_allowed(changes: &HandlerChanges) -> bool {
    let (old, new) = changes.versions;
    let is_raised = new > old && !changes.changes.iter().any(|change| change.rule == Rule::HandlerRemoved);
    is_raised || changes.changes.iter().all(|change| change.rule.effect() == ClientEffect::Compatible)
}

fn report(file: &str, all: &[HandlerChanges], is_refused: bool) -> String {
    let mut text = format!("the contract differs from `{file}`\n");
    for handler in all {
        _ = writeln!(text, "\n{}", handler.path);
        for effect in [ClientEffect::Breaking, ClientEffect::Compatible] {
            for change in handler.changes.iter().filter(|change| change.rule.effect() == effect) {
                let mark = if effect == ClientEffect::Breaking { "breaks clients" } else { "compatible" };
                _ = writeln!(text, "  {mark}: {change}");
            }
        }
        if is_allowed(handler) {
            continue;
        }
        let is_gone = |rule| handler.changes.iter().any(|change| change.rule == rule);
        if is_gone(Rule::HandlerRemoved) || is_gone(Rule::DescriptionRemoved) {
            _ = writeln!(text, "  help: if no client uses the handler, remove its entry from `{file}`");
        } else {
            let version = handler.versions.0.saturating_add(1);
            _ = writeln!(
                text,
                "  help: keep what clients use, or raise the version: `#[websocket(contract(version = {version}))]`"
            );
        }
    }
    text.push_str(if is_refused {
        "\nhelp: `UPDATE_CONTRACT=1` accepts the contract once no change breaks clients of an unchanged version"
    } else {
        "\nhelp: accept with `UPDATE_CONTRACT=1 cargo test`, and commit the file"
    });
    text
}

#[cfg(test)]
mod tests;
