//! What a client writes to a handler, and what it reads, by the handler's contract.

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use ws_core::Message;
use ws_core::contract::{
    CallContract, ContentContract, EnvelopeKind, FrameContract, JsonSchema, MessageContract,
};

use crate::envelope::{Match, Values, fill, matched};
use crate::failure::Failure;
use crate::params::ParameterReader;
use crate::schema::mismatch;
use crate::shape::Shape;
use crate::target::Target;
use crate::text::{nearest, one_line};

/// The error with which a server has answered.
#[derive(Debug)]
pub(crate) struct ServerError {
    /// The code as JSON, usually a number.
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) data: Option<Box<RawValue>>,
}

/// A message of a server.
#[derive(Debug)]
pub(crate) enum Received {
    /// The answer to a call. `id` is `None` if the server could not read the call.
    Answer { id: Option<u64>, outcome: Result<Box<RawValue>, ServerError> },
    /// A call to this client. The id goes back as it is.
    Call { id: Box<RawValue>, name: String, params: Option<Box<RawValue>> },
    /// A message with a name.
    Message { name: String, params: Option<Box<RawValue>> },
    /// A text or bytes without an envelope, as JSON.
    Other(String),
}

impl Target {
    fn is_json_rpc(&self) -> bool {
        self.handler.envelope.as_ref().is_some_and(|envelope| envelope.format == EnvelopeKind::JsonRpc)
    }

    fn parameters<'a>(&'a self, name: &'a str, content: Option<&'a ContentContract>) -> ParameterReader<'a> {
        let is_json_rpc = self.is_json_rpc();
        ParameterReader { name, content, schemas: &self.handler.schemas, is_json_rpc }
    }

    /// Returns the call with a name; `None` without a contract.
    pub(crate) fn call(&self, name: &str) -> Result<Option<&CallContract>, Failure> {
        if !self.has_contract {
            return Ok(None);
        }
        if let Some(call) = self.handler.client.calls.iter().find(|call| call.name == name) {
            return Ok(Some(call));
        }
        if self.handler.client.messages.iter().any(|message| message.name == name) {
            return Err(Failure::usage(format!("`{name}` is a message, which has no answer"))
                .help(format!("`ws-core send URL {name} …` sends it")));
        }
        Err(self.unknown("call", name, self.handler.client.calls.iter().map(|call| &*call.name)))
    }

    /// Returns the message with a name; `None` without a contract.
    pub(crate) fn message(&self, name: &str) -> Result<Option<&MessageContract>, Failure> {
        if !self.has_contract {
            return Ok(None);
        }
        if let Some(message) = self.handler.client.messages.iter().find(|message| message.name == name) {
            return Ok(Some(message));
        }
        if self.handler.client.calls.iter().any(|call| call.name == name) {
            return Err(Failure::usage(format!("`{name}` is a call, which has an answer"))
                .help(format!("`ws-core call URL {name} …` calls it")));
        }
        Err(self.unknown("message", name, self.handler.client.messages.iter().map(|message| &*message.name)))
    }

    fn unknown<'a>(&self, what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
        let known: Vec<_> = known.collect();
        let near = nearest(name, known.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let handler = &self.handler.name;
        let failure = Failure::usage(format!("`{handler}` has no {what} `{name}`{near}"));
        if known.is_empty() {
            return failure.help(format!("`{handler}` has no {what}s at all"));
        }
        failure.help(format!("its {what}s: {}", known.join(", ")))
    }

    /// Returns the text of a call, after a check of its parameters.
    pub(crate) fn write_call(&self, id: u64, name: &str, arguments: &[String]) -> Result<Message, Failure> {
        let call = self.call(name)?;
        let params = self.parameters(name, call.map(|call| &call.content)).read(arguments)?;
        let template = self.handler.envelope.as_ref().map_or(&Value::Null, |envelope| &envelope.call);
        self.write(template, Some(id), name, params.as_deref()).map(Message::text)
    }

    /// Returns a message without an answer, after a check of its parameters.
    pub(crate) fn write_message(&self, name: &str, arguments: &[String]) -> Result<Message, Failure> {
        let message = self.message(name)?;
        let content = message.map(|message| &message.content);
        let frame = message.map_or(FrameContract::Envelope, |message| message.frame);
        let text = match content {
            Some(ContentContract::Raw) => match arguments {
                [text] => text.clone(),
                _ => return Err(Failure::usage(format!("`{name}` takes one text; quote it for the shell"))),
            },
            _ => {
                let params = self.parameters(name, content).read(arguments)?;
                if frame == FrameContract::Envelope {
                    let template =
                        self.handler.envelope.as_ref().map_or(&Value::Null, |envelope| &envelope.message);
                    self.write(template, None, name, params.as_deref())?
                } else {
                    params.map_or_else(|| "null".to_owned(), |params| params.get().to_owned())
                }
            }
        };
        Ok(if frame == FrameContract::Binary {
            Message::binary(text.into_bytes())
        } else {
            Message::text(text)
        })
    }

    fn write(
        &self,
        template: &Value,
        id: Option<u64>,
        name: &str,
        params: Option<&RawValue>,
    ) -> Result<String, Failure> {
        if template.is_null() {
            return Err(Failure::usage(format!(
                "the contract does not say how `{}` writes this",
                self.handler.name
            )));
        }
        let (id, name) = (to_raw_value(&id).unwrap_or_default(), to_raw_value(name).unwrap_or_default());
        let mut values: Values<'_> = [("id", &*id), ("name", &*name)].into();
        values.extend(params.map(|params| ("params", params)));
        Ok(fill(template, &values))
    }

    /// Returns the answer to a call of the server.
    pub(crate) fn write_answer(&self, id: &RawValue, outcome: Result<&RawValue, (i64, &str)>) -> Message {
        let envelope = self.handler.envelope.as_ref();
        let raw = |value: Value| to_raw_value(&value).unwrap_or_default();
        Message::text(match outcome {
            Ok(result) => {
                let template = envelope.map_or(&Value::Null, |envelope| &envelope.result);
                fill(template, &[("id", id), ("result", result)].into())
            }
            Err((code, message)) => {
                let (code, message) = (raw(code.into()), raw(message.into()));
                let template = envelope.map_or(&Value::Null, |envelope| &envelope.error);
                fill(template, &[("id", id), ("code", &*code), ("message", &*message)].into())
            }
        })
    }

    /// Reads a text of the server.
    pub(crate) fn read_text(&self, text: &str) -> Received {
        let Ok(message) = serde_json::from_str::<&RawValue>(text) else {
            return Received::Other(one_line(&Value::from(text).to_string()));
        };
        self.read_named(message).unwrap_or_else(|| Received::Other(one_line(text)))
    }

    fn read_named(&self, message: &RawValue) -> Option<Received> {
        let envelope = self.handler.envelope.as_ref()?;
        let params = |found: &Match| found.json("params").map(ToOwned::to_owned);
        let call = |found: &Match| {
            let (id, name) = (found.json("id")?.to_owned(), found.text("name")?);
            Some(Received::Call { id, name, params: params(found) })
        };
        let sent =
            |found: &Match| Some(Received::Message { name: found.text("name")?, params: params(found) });
        let called = matched(&envelope.call, message, false);
        let named = matched(&envelope.message, message, false);
        let server = &self.handler.server;
        let is_known = |found: &Match, is_call: bool| {
            let name = found.text("name").unwrap_or_default();
            if is_call {
                server.calls.iter().any(|one| one.name == name)
            } else {
                server.messages.iter().any(|one| one.name == name)
            }
        };
        if let Some(found) = called.as_ref().filter(|found| is_known(found, true)) {
            return call(found);
        }
        if let Some(found) = named.as_ref().filter(|found| is_known(found, false)) {
            return sent(found);
        }
        if let Some(found) = &called {
            return call(found);
        }
        if let Some(found) = matched(&envelope.result, message, false) {
            let outcome = Ok(found.json("result").unwrap_or(RawValue::NULL).to_owned());
            return Some(Received::Answer { id: found.id(), outcome });
        }
        if let Some(found) = matched(&envelope.error, message, true) {
            let error = ServerError {
                code: found.json("code").map(|code| one_line(code.get())),
                message: found.text("message").unwrap_or_default(),
                data: found.json("data").map(ToOwned::to_owned),
            };
            return Some(Received::Answer { id: found.id(), outcome: Err(error) });
        }
        named.as_ref().and_then(sent)
    }

    /// Returns how a result differs from the contract.
    pub(crate) fn wrong_result(&self, name: &str, result: &RawValue) -> Option<String> {
        let call = self.handler.client.calls.iter().find(|call| call.name == name)?;
        self.wrong_value(&call.result, result, "result")
    }

    /// Returns the content of a message or call of the server as JSON, and how it differs from the contract.
    pub(crate) fn content(&self, name: &str, params: Option<&RawValue>) -> (String, Option<String>) {
        let json = params.map_or_else(|| "null".to_owned(), |params| one_line(params.get()));
        if !self.has_contract {
            return (json, None);
        }
        let server = &self.handler.server;
        let message = server.messages.iter().find(|message| message.name == name).map(|one| &one.content);
        let content =
            message.or_else(|| server.calls.iter().find(|call| call.name == name).map(|one| &one.content));
        let Some(content) = content else {
            return (json, Some("the contract does not have it".into()));
        };
        let (ContentContract::Json { schema }, Some(params)) = (content, params) else { return (json, None) };
        match self.wrong_value(schema, params, "value") {
            None => (json, None),
            // JSON-RPC has no values but objects and arrays.
            Some(wrong) => match serde_json::from_str::<[&RawValue; 1]>(params.get()) {
                Ok([inner]) if self.is_json_rpc() && self.wrong_value(schema, inner, "value").is_none() => {
                    (one_line(inner.get()), None)
                }
                _ => (json, Some(wrong)),
            },
        }
    }

    fn wrong_value(&self, schema: &JsonSchema, value: &RawValue, path: &str) -> Option<String> {
        let value: Value = serde_json::from_str(value.get()).ok()?;
        mismatch(schema, &value, &self.handler.schemas, path)
    }

    /// Returns the text about an error of the server: code, text, data, and what the contract says about the code.
    pub(crate) fn describe_error(&self, name: &str, error: &ServerError) -> String {
        let code = error.code.as_deref().unwrap_or("without a code");
        let mut text = format!("`{name}` failed: {code} {}", error.message);
        if let Some(data) = &error.data {
            text = format!("{text}\ndata: {}", one_line(data.get()));
        }
        let calls = &self.handler.client.calls;
        let declared = calls.iter().find(|call| call.name == name).map(|call| &call.errors);
        let declared = declared.and_then(|errors| errors.iter().find(|one| one.code.to_string() == code));
        if let Some(declared) = declared {
            text = format!("{text}\ncontract: {}", Shape::default().error(declared));
        }
        text
    }
}

/// Returns a message of the server as one line of JSON: `{"name":"price","content":{…}}`.
pub(crate) fn message_line(name: &str, content: &str) -> String {
    format!("{{\"name\":{},\"content\":{content}}}", one_line(&Value::from(name).to_string()))
}

/// Returns bytes of the server as JSON: `{"binary":"base64…"}`.
pub(crate) fn binary(bytes: &[u8]) -> String {
    format!("{{\"binary\":\"{}\"}}", data_encoding::BASE64.encode(bytes))
}
