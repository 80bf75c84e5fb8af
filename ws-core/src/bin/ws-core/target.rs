//! The handler that a command is about: its URL and its contract.

use serde_json::json;
use ws_core::Uri;
use ws_core::contract::{Contract, HandlerContract};

use crate::args::{HttpArguments, ServerArguments};
use crate::contracts;
use crate::failure::Failure;
use crate::text::nearest;

/// A handler on a server.
pub(crate) struct Target {
    pub(crate) url: String,
    /// The contract, or one of JSON-RPC 2.0 without calls.
    pub(crate) handler: HandlerContract,
    pub(crate) has_contract: bool,
}

impl Target {
    /// Reads the contract of the handler at a URL.
    pub(crate) async fn load(server: &ServerArguments) -> Result<Self, Failure> {
        let url = server.url.clone();
        let contract = match &server.contract {
            Some(source) => {
                let mut http = server.http.clone();
                if !contracts::is_same_server(source, &url) {
                    http = HttpArguments { headers: Vec::new(), ca: http.ca };
                }
                Some(contracts::read(source, &http).await?)
            }
            None if server.no_contract => None,
            None => contracts::of_server(&url, &server.http, server.timeout).await?,
        };
        let uri: Option<Uri> = url.parse().ok();
        let path = uri.as_ref().map_or("/", Uri::path);
        let found = match &contract {
            Some(contract) => Some(match &server.handler {
                Some(wanted) => named(contract, wanted)?,
                None => at_path(contract, path)?,
            }),
            None => None,
        };
        // The server's own contract may not describe the handler.
        match found.filter(|handler| handler.is_described) {
            Some(handler) => Ok(Self { url, handler: handler.clone(), has_contract: true }),
            None => Ok(Self { url, handler: json_rpc(), has_contract: false }),
        }
    }
}

/// Returns the handler with a name or a path.
pub(crate) fn named<'a>(contract: &'a Contract, wanted: &str) -> Result<&'a HandlerContract, Failure> {
    let is_it = |handler: &&HandlerContract| handler.name == wanted || handler.path == wanted;
    let mut found = contract.handlers.iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(handler), None) => Ok(handler),
        (Some(_), Some(_)) => Err(Failure::usage(format!("several handlers have the name `{wanted}`"))
            .help("give the path of one: `--handler /path`")),
        (None, _) => {
            let names = contract.handlers.iter().flat_map(|handler| [&*handler.name, &*handler.path]);
            let near =
                nearest(wanted, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Err(Failure::usage(format!("the contract has no handler `{wanted}`{near}")).help(list(contract)))
        }
    }
}

/// Returns the handler at the path of a URL.
fn at_path<'a>(contract: &'a Contract, path: &str) -> Result<&'a HandlerContract, Failure> {
    let mut paths = matchit::Router::new();
    for handler in &contract.handlers {
        // A path that another one hides cannot be found.
        _ = paths.insert(&*handler.path, handler);
    }
    match paths.at(path) {
        Ok(found) => Ok(found.value),
        Err(_) => Err(Failure::usage(format!("the contract has no handler at the path {path}")).help(format!(
            "{}; `--handler NAME` takes one at any path, `--no-contract` uses JSON-RPC 2.0 without checks",
            list(contract)
        ))),
    }
}

fn list(contract: &Contract) -> String {
    let handlers: Vec<_> =
        contract.handlers.iter().map(|handler| format!("{} at {}", handler.name, handler.path)).collect();
    if handlers.is_empty() {
        "the contract has no handlers".into()
    } else {
        format!("its handlers: {}", handlers.join(", "))
    }
}

/// Returns the contract of a server that speaks JSON-RPC 2.0.
fn json_rpc() -> HandlerContract {
    let contract = json!({ "name": "server", "path": "/", "envelope": {
        "format": { "kind": "json_rpc" },
        "message": { "jsonrpc": "2.0", "method": "$name", "params": "$params" },
        "call": { "id": "$id", "jsonrpc": "2.0", "method": "$name", "params": "$params" },
        "result": { "id": "$id", "jsonrpc": "2.0", "result": "$result" },
        "error": { "error": { "code": "$code", "data": "$data", "message": "$message" }, "id": "$id", "jsonrpc": "2.0" },
    } });
    serde_json::from_value(contract).unwrap_or_default()
}
