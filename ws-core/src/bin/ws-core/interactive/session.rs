//! The state of a prompt: the connection, and the calls in both directions that wait for an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use super::command::Line;
use super::console::Console;
use crate::args::ServerArguments;
use crate::connection::{Arrival, Connection, describe_end};
use crate::failure::Failure;
use crate::protocol::{Received, binary};
use crate::shape::Shape;
use crate::target::Target;
use crate::text::{Style, one_line, plain};

/// How many calls of the server may wait for an answer. One more is refused.
const MAX_SERVER_CALLS: usize = 64;

/// A call that waits for the server's answer.
pub(super) struct WaitingCall {
    pub(super) name: String,
    pub(super) deadline: Instant,
}

/// A call of the server that waits for an answer.
pub(super) struct ServerCall {
    pub(super) id: Box<RawValue>,
    pub(super) name: String,
}

/// A prompt.
pub(super) struct Session<'a> {
    pub(super) target: Target,
    pub(super) server: &'a ServerArguments,
    pub(super) connection: Connection,
    /// Whether the connection is lost, and the client tries to connect again.
    is_lost: bool,
    /// Whether there is no further attempt to connect.
    pub(super) has_ended: bool,
    pub(super) console: Console,
    pub(super) style: Style,
    pub(super) last_id: u64,
    pub(super) calls: BTreeMap<u64, WaitingCall>,
    last_server_call: u64,
    pub(super) server_calls: BTreeMap<u64, ServerCall>,
    /// How many messages have arrived since the last call or message of the client. `wait` takes them off.
    pub(super) arrived: u64,
    /// How many messages `wait` waits for, and until when.
    pub(super) wanted: Option<(u64, Instant)>,
    /// How many lines have failed, and the exit code of the first.
    failures: Option<(u64, u8)>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        target: Target,
        server: &'a ServerArguments,
        connection: Connection,
        console: Console,
    ) -> Self {
        Self {
            target,
            server,
            connection,
            is_lost: false,
            has_ended: false,
            console,
            style: Style::of_stdout(),
            last_id: 0,
            calls: BTreeMap::new(),
            last_server_call: 0,
            server_calls: BTreeMap::new(),
            arrived: 0,
            wanted: None,
            failures: None,
        }
    }

    /// Reads lines and messages until the end of the input.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let known = if self.target.has_contract {
            "`help` shows the commands, `calls` what the server takes"
        } else {
            "no contract: JSON-RPC 2.0 without checks; `help` shows the commands"
        };
        self.console.notify(&format!("connected to {}\n{known}", plain(&self.target.url)))?;
        loop {
            let deadline = self.deadline();
            let timer = sleep_until(deadline.unwrap_or_else(Instant::now));
            let (may_read, is_open) = (self.may_read(), !self.has_ended);
            tokio::select! {
                line = self.console.line(), if may_read => {
                    let Some(line) = line else { break };
                    match Line::parse(&line) {
                        Line::Quit => break,
                        line => self.command(line).await.or_else(|failure| self.fail(&failure))?,
                    }
                }
                arrival = self.connection.next(), if is_open => self.arrive(arrival)?,
                () = timer, if deadline.is_some() => self.expire()?,
            }
        }
        self.connection.close().await;
        match self.failures.filter(|_| !self.console.is_terminal()) {
            Some((count, code)) => Err(Failure::lines(count, code)),
            None => Ok(()),
        }
    }

    /// Returns whether the next line is read. A person types at any time. Lines of a pipe wait for a connection, and for
    /// the answers to earlier ones, unless the server itself waits for an answer.
    fn may_read(&self) -> bool {
        let is_free = self.calls.is_empty() || !self.server_calls.is_empty();
        self.console.is_terminal() || (is_free && self.wanted.is_none() && !self.is_lost)
    }

    fn deadline(&self) -> Option<Instant> {
        let calls = self.calls.values().map(|call| call.deadline);
        calls.chain(self.wanted.map(|(_, deadline)| deadline)).min()
    }

    /// Reports a line that failed, or a call that has no answer.
    fn fail(&mut self, failure: &Failure) -> Result<(), Failure> {
        let (count, code) = self.failures.unwrap_or((0, failure.exit_code()));
        self.failures = Some((count + 1, code));
        let text = self.style.problem(&failure.to_string());
        self.console.notify(&text)
    }

    fn arrive(&mut self, arrival: Option<Arrival>) -> Result<(), Failure> {
        match arrival {
            Some(Arrival::Open(_)) => {
                self.is_lost = false;
                self.console.notify("connected again")
            }
            Some(Arrival::Text(text)) => self.receive(self.target.read_text(&text)),
            Some(Arrival::Binary(bytes)) => self.receive(Received::Other(binary(&bytes))),
            Some(Arrival::Lost(cause, delay)) => {
                self.is_lost = true;
                let delay = Duration::from_millis(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
                let text = plain(&cause);
                self.console
                    .notify(&format!("connection lost: {text}; the next attempt begins in {delay:?}"))?;
                self.forget()
            }
            Some(Arrival::End(end)) => {
                (self.is_lost, self.has_ended) = (false, true);
                let why = plain(&describe_end(&self.target, &end));
                self.console.notify(&format!("the connection has ended: {why}; `connect` connects again"))?;
                self.forget()
            }
            None => {
                self.has_ended = true;
                Ok(())
            }
        }
    }

    /// Gives up what waits for a connection that is lost.
    fn forget(&mut self) -> Result<(), Failure> {
        self.server_calls.clear();
        if self.has_ended && self.wanted.take().is_some() {
            self.fail(&Failure::connection("the connection ended before the messages arrived"))?;
        }
        for call in std::mem::take(&mut self.calls).into_values() {
            self.fail(&Failure::connection(format!(
                "`{}` has no answer: the connection is lost",
                call.name
            )))?;
        }
        Ok(())
    }

    /// Gives up what waits for too long.
    fn expire(&mut self) -> Result<(), Failure> {
        let (now, time) = (Instant::now(), self.server.timeout);
        if self.wanted.is_some_and(|(_, deadline)| deadline <= now) {
            self.wanted = None;
            self.fail(&Failure::connection(format!("the messages did not arrive within {time:?}")))?;
        }
        let late: Vec<_> =
            self.calls.iter().filter(|(_, call)| call.deadline <= now).map(|(id, _)| *id).collect();
        for call in late.iter().filter_map(|id| self.calls.remove(id)).collect::<Vec<_>>() {
            let message = format!("the server did not answer `{}` within {time:?}", call.name);
            self.fail(&Failure::connection(message).help("`--timeout 1m` waits longer"))?;
        }
        Ok(())
    }

    fn receive(&mut self, received: Received) -> Result<(), Failure> {
        match received {
            Received::Answer { id, outcome } => {
                let call = id.and_then(|id| self.calls.remove(&id));
                let is_known = call.is_some();
                let name = call.map_or_else(|| "a call".to_owned(), |call| call.name);
                match outcome {
                    Ok(_) if !is_known => {
                        self.console.notify("the server answered a call that no longer waits")
                    }
                    Ok(result) => {
                        let line = format!("{} -> {}", self.style.name(&name), one_line(result.get()));
                        self.console.print(&line)?;
                        self.warn(&name, self.target.wrong_result(&name, &result))
                    }
                    Err(error) => self.fail(&Failure::refused(self.target.describe_error(&name, &error))),
                }
            }
            Received::Call { id, name, params } => self.ask(ServerCall { id, name }, params.as_deref()),
            Received::Message { name, params } => {
                let (content, wrong) = self.target.content(&name, params.as_deref());
                self.message(&format!("{} {content}", self.style.name(&name)))?;
                self.warn(&name, wrong)
            }
            Received::Other(content) => self.message(&content),
        }
    }

    fn message(&mut self, line: &str) -> Result<(), Failure> {
        self.arrived = self.arrived.saturating_add(1);
        self.finish_wait();
        self.console.print(line)
    }

    /// Ends `wait`, if its messages have arrived.
    pub(super) fn finish_wait(&mut self) {
        if let Some((count, _)) = self.wanted.filter(|(count, _)| *count <= self.arrived) {
            self.arrived -= count;
            self.wanted = None;
        }
    }

    /// Shows a call of the server, which a person answers.
    fn ask(&mut self, call: ServerCall, params: Option<&RawValue>) -> Result<(), Failure> {
        if self.server_calls.len() == MAX_SERVER_CALLS {
            let answer = self.target.write_answer(&call.id, Err((-32000, "too many calls wait")));
            self.console.notify("a call of the server is refused: 64 wait for an answer")?;
            return self.connection.send(answer);
        }
        self.last_server_call += 1;
        let id = self.last_server_call;
        let (content, wrong) = self.target.content(&call.name, params);
        let handler = &self.target.handler;
        let known = handler.server.calls.iter().find(|known| known.name == call.name);
        let shape = known.map_or_else(|| "JSON".to_owned(), |call| Shape::default().of(&call.result));
        let name = self.style.name(&call.name);
        let hint = self.style.detail(&format!("(answer {id} {shape}, or refuse {id})"));
        self.console.print(&format!("#{id} {name} {content}  {hint}"))?;
        self.warn(&call.name, wrong)?;
        self.server_calls.insert(id, call);
        Ok(())
    }

    fn warn(&mut self, name: &str, wrong: Option<String>) -> Result<(), Failure> {
        match wrong {
            Some(why) => {
                let text = format!("warning: `{name}` is not what the contract says: {why}");
                let text = self.style.problem(&text);
                self.console.notify(&text)
            }
            None => Ok(()),
        }
    }
}
