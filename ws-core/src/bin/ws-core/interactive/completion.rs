//! The words that Tab completes.

use std::collections::BTreeMap;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use ws_core::contract::{ContentContract, HandlerContract};

use super::command::COMMANDS;
use crate::text::plain;

/// The words of a handler, for a prompt.
#[derive(Debug)]
pub(super) struct Words {
    /// The names of calls and messages, with the names of their parameters.
    calls: BTreeMap<String, Vec<String>>,
    messages: BTreeMap<String, Vec<String>>,
    /// What `describe` knows.
    described: Vec<String>,
}

impl Words {
    pub(super) fn new(handler: &HandlerContract) -> Self {
        let parameters = |content: &ContentContract| match content {
            ContentContract::Parameters { parameters } => {
                parameters.iter().map(|parameter| format!("{}=", parameter.name)).collect()
            }
            _ => Vec::new(),
        };
        let (client, server) = (&handler.client, &handler.server);
        let calls = client.calls.iter().map(|call| (call.name.clone(), parameters(&call.content)));
        let messages = client.messages.iter().map(|one| (one.name.clone(), parameters(&one.content)));
        let (calls, messages): (BTreeMap<_, _>, BTreeMap<_, _>) = (calls.collect(), messages.collect());
        let of_server =
            server.calls.iter().map(|call| &call.name).chain(server.messages.iter().map(|one| &one.name));
        let all = calls.keys().chain(messages.keys()).chain(of_server).chain(handler.schemas.keys());
        let described = all.cloned().collect();
        Self { calls, messages, described }
    }

    /// Returns where the last word of a line begins, and the words that begin like it.
    pub(super) fn complete(&self, line: &str) -> (usize, Vec<String>) {
        let start = line.rfind(char::is_whitespace).map_or(0, |space| space + 1);
        let (before, begun) = line.split_at(start);
        let mut before = before.split_whitespace();
        let first = before.next();
        let names = |of: &BTreeMap<String, Vec<String>>| of.keys().cloned().collect::<Vec<_>>();
        let words = match (first, before.next()) {
            (None, _) => {
                let commands = COMMANDS.iter().map(|command| command.name.to_owned());
                commands.chain(names(&self.calls)).chain(names(&self.messages)).collect()
            }
            (Some("describe"), None) => self.described.clone(),
            (Some("call"), None) => names(&self.calls),
            (Some("send"), None) => names(&self.messages),
            (Some("call" | "send"), Some(name)) | (Some(name), _) => {
                let parameters = self.calls.get(name).or_else(|| self.messages.get(name));
                let unused = |parameter: &&String| !line.contains(&format!(" {parameter}"));
                parameters.into_iter().flatten().filter(unused).cloned().collect()
            }
        };
        let mut found: Vec<_> =
            words.into_iter().filter(|word| word.starts_with(begun) && plain(word) == *word).collect();
        found.sort();
        found.dedup();
        (start, found)
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, end: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.complete(line.get(..end).unwrap_or_default()))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_completed() {
        let handler: HandlerContract = serde_json::from_value(json!({
            "client": {
                "calls": [
                    { "name": "order", "result": true, "content": { "kind": "parameters", "parameters": [
                        { "name": "symbol", "schema": true }, { "name": "side", "schema": true },
                    ] } },
                    { "name": "\u{1b}[31m", "result": true, "content": { "kind": "nothing" } },
                ],
                "messages": [{ "name": "typing", "frame": "envelope", "content": { "kind": "nothing" } }],
            },
            "schemas": { "Price": true },
        }))
        .unwrap();
        let words = Words::new(&handler);
        let complete = |line: &str| words.complete(line);
        assert_eq!(complete("or"), (0, vec!["order".to_owned()]));
        assert!(complete("").1.contains(&"typing".to_owned()));
        assert_eq!(complete("describe P"), (9, vec!["Price".to_owned()]));
        assert_eq!(complete("send "), (5, vec!["typing".to_owned()]));
        assert_eq!(complete("call order sy"), (11, vec!["symbol=".to_owned()]));
        assert_eq!(complete("order symbol=A s"), (15, vec!["side=".to_owned()]));
        assert_eq!(complete("\u{1b}").1, [""; 0]);
    }
}
