//! What a prompt does for each command.

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use ws_core::contract::ContentContract;

use super::command::{COMMANDS, Line, help};
use super::connect;
use super::session::{ServerCall, Session, WaitingCall};
use crate::failure::Failure;
use crate::params::split;
use crate::schema::mismatch;
use crate::summary::{describe, summary};
use crate::text::nearest;

impl Session<'_> {
    /// Does what a line says.
    pub(super) async fn command(&mut self, line: Line<'_>) -> Result<(), Failure> {
        match line {
            Line::Nothing | Line::Quit => Ok(()),
            Line::Help => self.console.print(&help()),
            Line::Calls => self.show_contract(),
            Line::Describe(name) => self.describe(name),
            Line::Call(name, parameters) => self.call(name, parameters),
            Line::Send(name, parameters) => self.send(name, parameters),
            Line::Named(name, parameters) => self.call_or_send(name, parameters),
            Line::Answer(id, json) => self.answer(id, json),
            Line::Refuse(id, text) => self.refuse(id, text),
            Line::Wait(count) => {
                self.wanted = Some((count, Instant::now() + self.server.timeout));
                self.finish_wait();
                if self.has_ended && self.wanted.take().is_some() {
                    return Err(Failure::connection("there is no connection"));
                }
                Ok(())
            }
            Line::Connect if self.has_ended => {
                self.connection = connect(&self.target, self.server).await?;
                self.has_ended = false;
                self.console.notify("connected")
            }
            Line::Connect => Err(Failure::usage("the client is connected, or tries to connect by itself")),
            Line::Incomplete(usage) => {
                Err(Failure::usage("the line is incomplete").help(format!("write `{usage}`")))
            }
        }
    }

    fn show_contract(&mut self) -> Result<(), Failure> {
        if !self.target.has_contract {
            return Err(Failure::usage("there is no contract").help("start with `--contract URL|FILE`"));
        }
        let contract = serde_json::json!({ "format": 1, "handlers": [self.target.handler] });
        let contract = serde_json::from_value(contract).map_err(|error| Failure::usage(error.to_string()))?;
        let text = summary(&contract, self.style);
        self.console.print(text.trim_end())
    }

    fn describe(&mut self, name: &str) -> Result<(), Failure> {
        match describe(&self.target.handler, name, self.style) {
            Some(text) => self.console.print(text.trim_end()),
            None => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> Failure {
        let handler = &self.target.handler;
        let sides = [&handler.client, &handler.server];
        let names = sides.iter().flat_map(|side| {
            side.calls
                .iter()
                .map(|call| &*call.name)
                .chain(side.messages.iter().map(|message| &*message.name))
        });
        let known = names.chain(COMMANDS.iter().map(|command| command.name));
        let near = nearest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Failure::usage(format!("`{name}` is unknown{near}"))
            .help("`help` shows the commands, `calls` the contract")
    }

    fn call_or_send(&mut self, name: &str, parameters: &str) -> Result<(), Failure> {
        let client = &self.target.handler.client;
        if client.messages.iter().any(|message| message.name == name) {
            return self.send(name, parameters);
        }
        if self.target.has_contract && client.calls.iter().all(|call| call.name != name) {
            return Err(self.unknown(name));
        }
        self.call(name, parameters)
    }

    fn call(&mut self, name: &str, parameters: &str) -> Result<(), Failure> {
        let message = self.target.write_call(self.last_id + 1, name, &split(parameters))?;
        self.connection.send(message)?;
        self.arrived = 0;
        self.last_id += 1;
        let deadline = Instant::now() + self.server.timeout;
        self.calls.insert(self.last_id, WaitingCall { name: name.to_owned(), deadline });
        Ok(())
    }

    fn send(&mut self, name: &str, parameters: &str) -> Result<(), Failure> {
        let known = self.target.handler.client.messages.iter().find(|message| message.name == name);
        let is_raw = known.is_some_and(|message| message.content == ContentContract::Raw);
        let arguments = if is_raw { vec![parameters.to_owned()] } else { split(parameters) };
        let message = self.target.write_message(name, &arguments)?;
        self.connection.send(message)?;
        self.arrived = 0;
        Ok(())
    }

    fn answer(&mut self, id: u64, json: &str) -> Result<(), Failure> {
        let call = self.server_call(id)?;
        let result: Box<RawValue> = serde_json::from_str(json)
            .map_err(|error| Failure::usage(format!("the answer is not JSON: {error}")))?;
        let known = self.target.handler.server.calls.iter().find(|known| known.name == call.name);
        if let (Some(known), Ok(value)) = (known, serde_json::from_str::<Value>(json))
            && let Some(why) = mismatch(&known.result, &value, &self.target.handler.schemas, "answer")
        {
            return Err(Failure::usage(why));
        }
        let answer = self.target.write_answer(&call.id, Ok(&result));
        self.connection.send(answer)?;
        self.server_calls.remove(&id);
        Ok(())
    }

    fn refuse(&mut self, id: u64, text: &str) -> Result<(), Failure> {
        let text = if text.is_empty() { "refused" } else { text };
        let answer = self.target.write_answer(&self.server_call(id)?.id, Err((-32000, text)));
        self.connection.send(answer)?;
        self.server_calls.remove(&id);
        Ok(())
    }

    fn server_call(&self, id: u64) -> Result<&ServerCall, Failure> {
        self.server_calls.get(&id).ok_or_else(|| {
            let waiting: Vec<_> = self.server_calls.keys().map(|id| format!("#{id}")).collect();
            let help = if waiting.is_empty() {
                "none waits".into()
            } else {
                format!("waiting: {}", waiting.join(", "))
            };
            Failure::usage(format!("no call #{id} of the server waits for an answer")).help(help)
        })
    }
}
