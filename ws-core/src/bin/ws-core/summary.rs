//! A contract as text for people.

use std::fmt::Write as _;

use ws_core::contract::{
    CallContract, ContentContract, Contract, EnvelopeKind, HandlerContract, MessageContract, SideContract,
};

use crate::shape::Shape;
use crate::text::{Style, plain};

/// Returns the summary of a contract: handlers with their calls, messages, states and close codes.
pub(crate) fn summary(contract: &Contract, style: Style) -> String {
    let handlers: Vec<_> = contract
        .handlers
        .iter()
        .map(|handler| Summary { style, handler, text: String::new() }.write())
        .collect();
    if handlers.is_empty() { "no handlers\n".into() } else { handlers.join("\n") }
}

struct Summary<'a> {
    style: Style,
    handler: &'a HandlerContract,
    text: String,
}

impl Summary<'_> {
    fn write(mut self) -> String {
        let handler = self.handler;
        let (name, path) = (self.style.name(&handler.name), plain(&handler.path));
        if !handler.is_described {
            _ = writeln!(self.text, "{name}  {path}  (not described: its `impl` has no option `contract`)");
            return self.text;
        }
        _ = writeln!(self.text, "{name}  {path}  version {}", handler.version);
        self.paragraph(2, handler.description.as_deref());
        let shape = Shape::default();
        let list = |parameters: &[_]| {
            parameters.iter().map(|parameter| shape.parameter(parameter)).collect::<Vec<_>>().join(", ")
        };
        self.fact("path", &list(&handler.path_parameters));
        self.fact("query", &list(&handler.query));
        self.fact("subprotocols", &handler.subprotocols.join(", "));
        self.fact("envelope", &envelope(handler));
        self.side("calls", "messages", &handler.client);
        self.side("calls of the server", "messages of the server", &handler.server);
        self.states();
        let declared: Vec<_> = handler.close_codes.iter().filter(|code| code.is_declared).collect();
        if !declared.is_empty() {
            self.heading("close codes");
        }
        for code in declared {
            _ = writeln!(self.text, "    {} {}", code.code, plain(&code.reason));
        }
        self.text
    }

    fn heading(&mut self, text: &str) {
        _ = writeln!(self.text, "  {}", self.style.heading(text));
    }

    fn fact(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            _ = writeln!(self.text, "  {}: {}", self.style.heading(name), plain(value));
        }
    }

    /// Writes the first paragraph of a description.
    fn paragraph(&mut self, indent: usize, text: Option<&str>) {
        for line in text.unwrap_or_default().lines().take_while(|line| !line.trim().is_empty()) {
            _ = writeln!(self.text, "{:indent$}{}", "", self.style.detail(line.trim()));
        }
    }

    fn side(&mut self, calls: &str, messages: &str, side: &SideContract) {
        let shape = Shape::default();
        if !side.calls.is_empty() {
            self.heading(calls);
        }
        for call in &side.calls {
            self.entry(&call.name, &shape.call(call));
            self.paragraph(6, call.description.as_deref());
            self.note(&notes(call, shape));
        }
        if !side.messages.is_empty() {
            self.heading(messages);
        }
        for message in &side.messages {
            self.entry(&message.name, &signature(message, shape));
            self.paragraph(6, message.description.as_deref());
            self.note(&in_states(&message.states));
        }
    }

    fn entry(&mut self, name: &str, signature: &str) {
        let rest = signature.strip_prefix(name).unwrap_or_default();
        _ = writeln!(self.text, "    {}{}", self.style.name(name), plain(rest));
    }

    fn note(&mut self, note: &str) {
        if !note.is_empty() {
            _ = writeln!(self.text, "      {}", self.style.detail(note));
        }
    }

    fn states(&mut self) {
        let handler = self.handler;
        if handler.states.is_empty() {
            return;
        }
        self.heading("states");
        for state in &handler.states {
            let mark = if state.is_initial { " (the first)" } else { "" };
            _ = writeln!(self.text, "    {}{mark}", plain(&state.name));
            for step in handler.transitions.iter().filter(|step| step.from == state.name) {
                let line = format!("-> {} after {} {}", step.to, step.event, step.name);
                _ = writeln!(self.text, "      {}", plain(&line));
            }
        }
    }
}

fn envelope(handler: &HandlerContract) -> String {
    match handler.envelope.as_ref().map(|envelope| &envelope.format) {
        None => String::new(),
        Some(EnvelopeKind::JsonRpc) => "JSON-RPC 2.0".into(),
        Some(_) => handler.envelope.as_ref().map_or_else(String::new, |envelope| envelope.call.to_string()),
    }
}

fn signature(message: &MessageContract, shape: Shape) -> String {
    let content = match &message.content {
        ContentContract::Json { schema } => format!("({})", shape.of(schema)),
        content => shape.parameters(content),
    };
    format!("{}{content}", message.name)
}

/// Returns the states and the errors of a call.
fn notes(call: &CallContract, shape: Shape) -> String {
    let errors: Vec<_> = call.errors.iter().map(|error| shape.error(error)).collect();
    let errors = if errors.is_empty() { String::new() } else { format!("errors: {}", errors.join("; ")) };
    let states = in_states(&call.states);
    let parts = [states, errors];
    parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("; ")
}

fn in_states(states: &[String]) -> String {
    if states.is_empty() { String::new() } else { format!("in {}", states.join(", ")) }
}

/// Returns all that a contract has about a call, a message or a named schema.
pub(crate) fn describe(handler: &HandlerContract, name: &str, style: Style) -> Option<String> {
    let shape = Shape::default();
    let mut out = Summary { style, handler, text: String::new() };
    let sides = [(&handler.client, ""), (&handler.server, " of the server")];
    for (side, whose) in sides {
        for call in side.calls.iter().filter(|call| call.name == name) {
            _ = write!(out.text, "call{whose}: ");
            _ = writeln!(out.text, "{}", plain(&shape.call(call)));
            out.text.push_str(&whole(call.description.as_deref()));
            contents(&mut out, &call.content);
            out.schema("result", &call.result);
            for error in &call.errors {
                _ = writeln!(out.text, "error {}", plain(&shape.error(error)));
            }
            out.fact_line("taken", &in_states(&call.states));
        }
        for message in side.messages.iter().filter(|message| message.name == name) {
            _ = writeln!(out.text, "message{whose}: {}", plain(&signature(message, shape)));
            out.text.push_str(&whole(message.description.as_deref()));
            contents(&mut out, &message.content);
            out.fact_line("taken or sent", &in_states(&message.states));
        }
    }
    if let Some(schema) = handler.schemas.get(name) {
        out.schema(name, schema);
    }
    (!out.text.is_empty()).then_some(out.text)
}

fn whole(description: Option<&str>) -> String {
    description.map_or_else(String::new, |text| format!("{}\n", plain(text)))
}

fn contents(out: &mut Summary<'_>, content: &ContentContract) {
    match content {
        ContentContract::Parameters { parameters } => {
            for parameter in parameters {
                out.schema(&parameter.name, &parameter.schema);
            }
        }
        ContentContract::Json { schema } => out.schema("value", schema),
        _ => {}
    }
}

impl Summary<'_> {
    fn fact_line(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            _ = writeln!(self.text, "{name} {}", plain(value));
        }
    }

    /// Writes a schema, and the named schemas to which it refers.
    fn schema(&mut self, name: &str, schema: &serde_json::Value) {
        let (mut waiting, mut written) = (vec![(name.to_owned(), schema.clone())], Vec::<String>::new());
        while let Some((name, schema)) = waiting.pop() {
            if written.contains(&name) {
                continue;
            }
            _ = writeln!(self.text, "{}: {}", self.style.name(&name), plain(&schema.to_string()));
            let json = schema.to_string();
            for to in json.split("\"#/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
                if let Some(named) = self.handler.schemas.get(to) {
                    waiting.push((to.to_owned(), named.clone()));
                }
            }
            written.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_shown_and_controls_escaped() {
        let contract = Contract::from_json(
            r#"{ "format": 1, "handlers": [
                { "name": "Chat", "path": "/chat", "is_described": true, "version": 2, "limits": { "max_deferred": 64 }, "description": "Talks.\u001b[2J\n\nMore.",
                  "client": { "messages": [{ "name": "said", "frame": "text", "content": { "kind": "raw" }, "states": ["Member"] }] },
                  "states": [{ "name": "Guest", "is_initial": true }, { "name": "Member" }],
                  "transitions": [{ "from": "Guest", "to": "Member", "event": "on_text", "name": "login" }] },
                { "name": "Plain", "path": "/plain", "is_described": false, "limits": { "max_deferred": 64 } }
            ] }"#,
        )
        .unwrap();
        let expect = "\
Chat  /chat  version 2
  Talks.\\u001b[2J
  messages
    said(text or bytes)
      in Member
  states
    Guest (the first)
      -> Member after on_text login
    Member

Plain  /plain  (not described: its `impl` has no option `contract`)
";
        assert_eq!(summary(&contract, Style::none()), expect);
    }
}
