//! The commands `call` and `send`: one message, its answer, and what follows.

use std::collections::VecDeque;
use std::future::pending;

use serde_json::value::RawValue;
use tokio::time::timeout;
use ws_core::client::Disconnect;

use crate::args::CallArguments;
use crate::connection::{Arrival, Connection, describe_end};
use crate::contracts::read_bounded;
use crate::failure::Failure;
use crate::output::{print_line, warn};
use crate::protocol::{Received, binary, message_line};
use crate::target::Target;
use crate::text::one_line;

/// How many messages may wait for the answer, with `--follow`.
const MAX_MESSAGES: usize = 1024;

/// The id of the only call.
const ID: u64 = 1;

/// The kind of what is sent: with an answer or without one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchange {
    Call,
    Message,
}

/// Calls a method, or sends a message.
pub(crate) async fn run(mut arguments: CallArguments, exchange: Exchange) -> Result<(), Failure> {
    if arguments.parameters == ["-"] {
        arguments.parameters = vec![read_bounded(std::io::stdin(), "stdin")?.trim().to_owned()];
    }
    let target = Target::load(&arguments.server).await?;
    // Wrong parameters are reported without a connection.
    let message = match exchange {
        Exchange::Call => target.write_call(ID, &arguments.name, &arguments.parameters)?,
        Exchange::Message => target.write_message(&arguments.name, &arguments.parameters)?,
    };
    let once = |_: &Disconnect<'_>| None;
    let mut connection = Connection::start(&target, &arguments.server, once)?;
    connection.open(&target.url).await?;
    connection.send(message)?;
    let mut client = OneCall { arguments, target, connection, messages: VecDeque::new(), dropped: 0 };
    let outcome = client.run(exchange).await;
    client.connection.close().await;
    outcome
}

struct OneCall {
    arguments: CallArguments,
    target: Target,
    connection: Connection,
    /// The messages that wait for the answer, as lines.
    messages: VecDeque<String>,
    dropped: u64,
}

impl OneCall {
    async fn run(&mut self, exchange: Exchange) -> Result<(), Failure> {
        if exchange == Exchange::Call {
            let time = self.arguments.server.timeout;
            let answer = timeout(time, self.answer()).await.unwrap_or_else(|_| {
                let message = format!("the server did not answer `{}` within {time:?}", self.arguments.name);
                Err(Failure::connection(message).help("`--timeout 1m` waits longer"))
            })?;
            print_line(&one_line(answer.get()))?;
        }
        match self.arguments.follow {
            Some(count) => self.follow(count).await,
            None => Ok(()),
        }
    }

    /// Waits for the answer.
    async fn answer(&mut self) -> Result<Box<RawValue>, Failure> {
        loop {
            match self.next().await? {
                Received::Answer { id: Some(ID) | None, outcome: Ok(result) } => {
                    if let Some(why) = self.target.wrong_result(&self.arguments.name, &result) {
                        warn(&format!("the answer is not what the contract says: {why}"));
                    }
                    return Ok(result);
                }
                // The server answers with `null` as the id if it could not read the call.
                Received::Answer { id: Some(ID) | None, outcome: Err(error) } => {
                    return Err(Failure::refused(self.target.describe_error(&self.arguments.name, &error)));
                }
                other => {
                    if let Some(line) = self.line(other)? {
                        self.messages.push_back(line);
                    }
                    if self.messages.len() > MAX_MESSAGES {
                        self.messages.pop_front();
                        self.dropped += 1;
                    }
                }
            }
        }
    }

    /// Prints messages, until there were `count`, or until Ctrl-C.
    async fn follow(&mut self, count: Option<u64>) -> Result<(), Failure> {
        if self.dropped > 0 {
            warn(&format!("{} messages before the answer are not shown", self.dropped));
        }
        let mut printed = 0;
        let is_done = |printed| count.is_some_and(|count| printed >= count);
        let mut stop = std::pin::pin!(async {
            if tokio::signal::ctrl_c().await.is_err() {
                pending::<()>().await;
            }
        });
        while !is_done(printed) {
            let line = match self.messages.pop_front() {
                Some(line) => Some(line),
                None => tokio::select! {
                    () = &mut stop => return Ok(()),
                    received = self.next() => self.line(received?)?,
                },
            };
            if let Some(line) = line {
                print_line(&line)?;
                printed += 1;
            }
        }
        Ok(())
    }

    /// Waits for the next message of the server.
    async fn next(&mut self) -> Result<Received, Failure> {
        match self.connection.next().await {
            Some(Arrival::Text(text)) => Ok(self.target.read_text(&text)),
            Some(Arrival::Binary(bytes)) => Ok(Received::Other(binary(&bytes))),
            Some(Arrival::End(end)) => Err(Failure::connection(describe_end(&self.target, &end))),
            _ => Err(Failure::connection("the connection ended")),
        }
    }

    /// Returns the line of a message. Answers a call of the server.
    fn line(&mut self, received: Received) -> Result<Option<String>, Failure> {
        match received {
            Received::Message { name, params } => {
                let (content, wrong) = self.target.content(&name, params.as_deref());
                if let Some(why) = wrong {
                    warn(&format!("the message `{name}` is not what the contract says: {why}"));
                }
                Ok(Some(message_line(&name, &content)))
            }
            Received::Other(content) => Ok(Some(format!("{{\"content\":{content}}}"))),
            Received::Call { id, name, params } => {
                let answers = &self.arguments.answers;
                let answer = answers.iter().find(|(known, _)| *known == name);
                let answer = answer.and_then(|(_, json)| serde_json::from_str::<&RawValue>(json).ok());
                if answer.is_none() {
                    let (content, _) = self.target.content(&name, params.as_deref());
                    warn(&format!(
                        "the server calls `{name}` with {content}, and gets an error: `--answer {name}=JSON` answers"
                    ));
                }
                let outcome = answer.ok_or((-32601, "Method not found"));
                self.connection.send(self.target.write_answer(&id, outcome))?;
                Ok(None)
            }
            Received::Answer { outcome, .. } => {
                if let Err(error) = outcome {
                    warn(&self.target.describe_error(&self.arguments.name, &error));
                }
                Ok(None)
            }
        }
    }
}
