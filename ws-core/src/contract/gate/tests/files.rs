//! Files: what is read, written and accepted.

use serde_json::{Value, json};

use super::*;

/// A member that is lost, by hand or by a merge, would hide changes.
#[test]
fn a_file_that_has_lost_a_part_is_not_read() {
    let lost = |at: &str, to: Value| {
        let mut contract = board();
        set(&mut contract, at, to);
        Contract::from_json(&contract.to_string()).map(|_| ()).map_err(|error| error.to_string())
    };
    let expect = |at: &str, to: Value, why: &str| {
        let found = lost(at, to).unwrap_err();
        assert!(found.contains(why), "{at}: {found}");
    };
    for name in ["name", "path", "is_described", "limits"] {
        expect(&format!("/{name}"), Value::Null, &format!("has no `{name}`"));
    }
    expect("/version", Value::Null, "has no `version`");
    expect("/is_described", json!(false), "is not described, but has a description");
    expect("/schemas", json!({}), "refers to a schema that it does not have");
    expect("/server/messages/0/content/schema/$ref", json!("#/schemas/B"), "refers to a schema");
    lost("/description", Value::Null).unwrap();
    lost("/close_codes", Value::Null).unwrap();
}

/// A file of its own in the folder for temporary files, removed at the end.
struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ws-core-contract-{}-{name}", std::process::id()));
        Self(folder.join("contract").join("board.json"))
    }

    fn with(name: &str, text: &str) -> Self {
        let file = Self::new(name);
        fs::create_dir_all(file.0.parent().unwrap()).unwrap();
        fs::write(&file.0, text).unwrap();
        file
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(self.0.parent().and_then(Path::parent).unwrap());
    }
}

#[test]
fn a_missing_file_is_written_only_on_demand() {
    let (file, new) = (TempFile::new("missing"), contract(board()));
    let why = check_file(&file.0, &new, false).unwrap_err();
    assert!(why.starts_with("there is no contract at `"), "{why}");
    assert!(why.contains("UPDATE_CONTRACT=1 cargo test"), "{why}");
    assert!(!file.0.exists());
    check_file(&file.0, &new, true).unwrap();
    check_file(&file.0, &new, false).unwrap();
    assert_eq!(file.text(), new.to_json());
}

#[test]
fn a_compatible_change_is_accepted_on_demand() {
    let file = TempFile::with("compatible", &contract(board()).to_json());
    let mut new = board();
    set(&mut new, "/close_codes", json!([]));
    let new = contract(new);
    let why = check_file(&file.0, &new, false).unwrap_err();
    assert!(
        why.contains("compatible: the close code 1001 (idle) is gone: clients get it no longer\n"),
        "{why}"
    );
    assert!(why.ends_with("help: accept with `UPDATE_CONTRACT=1 cargo test`, and commit the file"), "{why}");
    check_file(&file.0, &new, true).unwrap();
    assert_eq!(file.text(), new.to_json());
}

#[test]
fn a_breaking_change_needs_another_version() {
    let before = contract(board()).to_json();
    let file = TempFile::with("breaking", &before);
    let mut new = board();
    set(&mut new, "/client/calls/0/states", json!(["Member"]));
    for is_update in [false, true] {
        let why = check_file(&file.0, &contract(new.clone()), is_update).unwrap_err();
        let sentence = "breaks clients: the call `order` in the state `Guest` is no longer taken: \
                        clients that send it there are refused\n";
        assert!(why.contains(sentence), "{why}");
        assert!(why.contains("`#[websocket(contract(version = 2))]`"), "{why}");
        assert_eq!(file.text(), before);
    }
    set(&mut new, "/version", json!(2));
    let why = check_file(&file.0, &contract(new.clone()), false).unwrap_err();
    assert!(why.ends_with("help: accept with `UPDATE_CONTRACT=1 cargo test`, and commit the file"), "{why}");
    check_file(&file.0, &contract(new), true).unwrap();
}

/// The version of another handler accepts nothing for a handler that is gone.
#[test]
fn a_handler_that_is_gone_is_accepted_by_hand() {
    let mut old = board();
    let mut other = old["handlers"][0].clone();
    other["path"] = json!("/other");
    old["handlers"].as_array_mut().unwrap().push(other);
    let file = TempFile::with("gone", &contract(old).to_json());
    let mut new = board();
    set(&mut new, "/version", json!(2));
    let why = check_file(&file.0, &contract(new), true).unwrap_err();
    assert!(why.contains("the handler at `/other` is gone: clients that connect to it get 404"), "{why}");
    assert!(why.contains("help: if no client uses the handler, remove its entry from `"), "{why}");
}

#[test]
fn a_file_that_cannot_be_read_neither_passes_nor_is_overwritten() {
    let unreadable = [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "invalid"),
        (r#"{"handlers": []}"#, "missing field `format`"),
        (r#"{"format": 2, "handlers": []}"#, "its format is 2"),
        (r#"{"format": 1, "handlers": [], "more": 1}"#, "unknown field `more`"),
        (r#"{"format": 1, "handlers": [{"path": "/a", "new": 1}]}"#, "unknown field `new`"),
        (r#"{"format": 1, "handlers": [{"path": "/a"}, {"path": "/a"}]}"#, "is in it twice"),
        (r#"{"format": 1, "handlers": [{"path": "/a"}]}"#, "`/a` has no `name`"),
        (r#"{"format": 1, "handlers": [{"name": "A", "path": "/a", "is_described": true}]}"#, "no `limits`"),
    ];
    for (index, (text, expect)) in unreadable.into_iter().enumerate() {
        let file = TempFile::with(&format!("unreadable-{index}"), text);
        for is_update in [false, true] {
            let why = check_file(&file.0, &contract(json!({ "format": 1, "handlers": [] })), is_update)
                .unwrap_err();
            assert!(why.contains("cannot be read") && why.contains(expect), "{text}: {why}");
        }
        assert_eq!(file.text(), text);
    }
    // A folder in place of the file, and bytes that are no text.
    let file = TempFile::with("bytes", "");
    fs::write(&file.0, [0xff]).unwrap();
    check_file(&file.0, &contract(board()), true).unwrap_err();
    check_file(file.0.parent().unwrap(), &contract(board()), true).unwrap_err();
}
