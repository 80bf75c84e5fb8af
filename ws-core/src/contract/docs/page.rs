//! The page: the build of `clients/js/docs` with the data of a contract in it.

use serde_json::json;

use super::examples::HandlerExamples;
use crate::contract::asyncapi::AsyncApi;
use crate::contract_model::Contract;

/// The build of the page; a test of `clients/js` checks that the build is current.
const PAGE: &str = include_str!("../../../client/docs.html");

/// The `Content-Security-Policy` of the page, with the hashes of its script and its style. The build makes both files.
pub(super) const POLICY: &str = include_str!("../../../client/docs.csp");

/// The place of the data in the page: the content of an element that browsers do not run.
const PLACE: &str = "{{data}}";

pub(super) fn html(contract: &Contract, document: &AsyncApi, path: &str) -> String {
    let document = document.to_value();
    let examples: Vec<_> = contract.handlers.iter().map(HandlerExamples::new).collect();
    let data = json!({
        "path": path,
        "info": document["info"],
        "servers": document["servers"],
        "contract": contract,
        "examples": examples,
    });
    let (head, tail) = PAGE.split_once(PLACE).unwrap_or((PAGE, ""));
    [head, &escape(&data.to_string()), tail].concat()
}

/// Escapes JSON so that no text in it ends its element or begins a comment: in JSON, `<` is in strings only.
pub(super) fn escape(json: &str) -> String {
    json.replace('<', r"\u003c")
}
