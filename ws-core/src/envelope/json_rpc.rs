//! JSON-RPC 2.0.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::to_writer;
use serde_json::value::RawValue;

use super::call_error::CallError;
use super::members::{JsonMembers, MAX_MESSAGE_DEPTH, is_nested_deeper, read_own_id, read_str};
use super::raw_id::RawId;
use super::{Envelope, Incoming};

/// The largest number of entries in a batch. A larger batch is answered with one error.
const MAX_BATCH: usize = 1000;

/// The names of a message's members.
const MEMBERS: [&str; 6] = ["jsonrpc", "method", "params", "id", "result", "error"];

/// JSON-RPC 2.0, as [specified](https://www.jsonrpc.org/specification): `#[websocket(envelope = JsonRpc)]`.
///
/// | text from the client | effect |
/// |---|---|
/// | `method` with `id` | the `#[on_call]` of that name, and an answer |
/// | `method` without `id` | a notification for the `#[on_message]` of that name, never answered |
/// | `result` or `error`, without `method` | an answer to a call of the server, never answered |
/// | an array | a batch (§6) of at most 1,000 entries; its answers are one array |
/// | not JSON, or an argument nested deeper than 64 | −32700 |
/// | an empty or a larger batch, another version, a `method` that is not a string, `params` that are neither an array nor an object, an `id` that is an array, an object or a boolean, a member twice | −32600 |
///
/// The id of a call may be a string, a number of any size, or `null`; the answer repeats it to the letter
/// ([`RawId`]). An error has the id of its call, or `null` if the message has none. The answer to a call of the
/// server has the number of that call; all others are dropped.
///
/// The server's own messages are notifications. Their `params` are an object or an array (§4.2); another
/// value, for example that of a newtype, becomes the only element of an array.
///
/// ```
/// use ws_core::{Envelope, Incoming, JsonRpc};
///
/// let opened = JsonRpc::open(r#"{"jsonrpc": "2.0", "method": "add", "params": [1, 2], "id": "a"}"#);
/// let Incoming::Call { id, name, params } = opened else { panic!("a call") };
/// assert_eq!((id.as_str(), &*name, params.unwrap().get()), ("\"a\"", "add", "[1, 2]"));
///
/// let mut answer = Vec::new();
/// JsonRpc::write_answer(&id, Ok(&3), &mut answer).unwrap();
/// assert_eq!(answer, br#"{"jsonrpc":"2.0","result":3,"id":"a"}"#);
/// ```
#[derive(Debug)]
pub enum JsonRpc {}

impl Envelope for JsonRpc {
    type Id = RawId;

    fn open(text: &str) -> Incoming<'_, RawId> {
        match text.trim_ascii_start().as_bytes() {
            [b'{', ..] if is_nested_deeper(text, MAX_MESSAGE_DEPTH) => too_deep(),
            [b'{', ..] => open_object(text),
            [b'[', ..] if is_nested_deeper(text, MAX_MESSAGE_DEPTH + 1) => too_deep(),
            [b'[', ..] => open_batch(text),
            _ if serde_json::from_str::<IgnoredAny>(text).is_ok() => invalid(RawId::null()),
            _ => unreadable(),
        }
    }

    fn write_message<T: Serialize + ?Sized>(
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        out.extend_from_slice(br#"{"jsonrpc":"2.0","method":"#);
        write_request(name, params, out)
    }

    fn write_call<T: Serialize + ?Sized>(
        id: u64,
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        to_writer(&mut *out, &id)?;
        out.extend_from_slice(br#","method":"#);
        write_request(name, params, out)
    }

    fn write_answer<T: Serialize + ?Sized>(
        id: &RawId,
        answer: Result<&T, &CallError>,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        match answer {
            Ok(result) => {
                out.extend_from_slice(br#"{"jsonrpc":"2.0","result":"#);
                to_writer(&mut *out, result)?;
            }
            Err(error) => {
                out.extend_from_slice(br#"{"jsonrpc":"2.0","error":"#);
                to_writer(&mut *out, error)?;
            }
        }
        out.extend_from_slice(br#","id":"#);
        out.extend_from_slice(id.as_str().as_bytes());
        out.push(b'}');
        Ok(())
    }
}

/// Writes the name and the parameters, and the end of the object.
fn write_request<T: Serialize + ?Sized>(name: &str, params: &T, out: &mut Vec<u8>) -> serde_json::Result<()> {
    to_writer(&mut *out, name)?;
    let before = out.len();
    out.extend_from_slice(br#","params":"#);
    let start = out.len();
    to_writer(&mut *out, params)?;
    match out.get(start) {
        Some(b'{' | b'[') => {}
        // `null`: no parameters.
        Some(b'n') | None => out.truncate(before),
        Some(_) => {
            out.insert(start, b'[');
            out.push(b']');
        }
    }
    out.push(b'}');
    Ok(())
}

/// Reads an object, or any JSON value of a batch.
fn open_object(text: &str) -> Incoming<'_, RawId> {
    match JsonMembers::read(text, &MEMBERS) {
        Ok(members) => open_members(&members),
        Err(_) => unreadable(),
    }
}

fn open_members<'a>(members: &JsonMembers<'a, 6>) -> Incoming<'a, RawId> {
    let [version, name, params, id, result, error] = members.values;
    let is_version_2 = version.and_then(read_str).is_some_and(|version| version == "2.0");
    let is_valid = is_version_2 && !members.has_repeated;
    if name.is_none() && (result.is_some() || error.is_some()) {
        let answer = if is_valid {
            read_answer(result, error)
        } else {
            Err(CallError::invalid_request("the answer is not one of JSON-RPC 2.0"))
        };
        return Incoming::Answer { id: read_own_id(id), answer };
    }
    let id = match (id, id.and_then(RawId::new)) {
        (Some(_), None) => return invalid(RawId::null()),
        (_, id) => id,
    };
    let is_structured = |params: &RawValue| params.get().starts_with(['[', '{']);
    match name.and_then(read_str) {
        Some(name) if is_valid && params.is_none_or(is_structured) => match id {
            Some(id) => Incoming::Call { id, name, params },
            None => Incoming::Message { name, params },
        },
        _ => invalid(id.unwrap_or_else(RawId::null)),
    }
}

/// Returns the result of an answer, or its error. Some implementations send the other member as `null`.
pub(super) fn read_answer<'a>(
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
) -> Result<&'a RawValue, CallError> {
    match (result, error) {
        (Some(result), None) => Ok(result),
        (Some(result), Some(error)) if error.get() == "null" => Ok(result),
        (None, Some(error)) => Err(CallError::from_json(error)),
        (Some(result), Some(error)) if result.get() == "null" => Err(CallError::from_json(error)),
        _ => Err(CallError::internal("the answer has a result and an error")),
    }
}

fn open_batch(text: &str) -> Incoming<'_, RawId> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let batch = deserializer.deserialize_seq(BatchVisitor).and_then(|batch| {
        deserializer.end()?;
        Ok(batch)
    });
    match batch {
        Ok(Some(batch)) if !batch.is_empty() => Incoming::Batch(batch),
        Ok(Some(_)) => invalid(RawId::null()),
        Ok(None) => {
            let error = CallError::invalid_request(INVALID).with_data("more than 1000 entries in a batch");
            Incoming::Invalid { id: RawId::null(), error }
        }
        Err(_) => unreadable(),
    }
}

/// The reader of the entries of a batch. Its value is `None` if there are too many.
struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Option<Vec<Incoming<'de, RawId>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut batch = Vec::new();
        while let Some(entry) = seq.next_element::<&RawValue>()? {
            if batch.len() == MAX_BATCH {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            let is_object = entry.get().starts_with('{');
            batch.push(if is_object { open_object(entry.get()) } else { invalid(RawId::null()) });
        }
        Ok(Some(batch))
    }
}

/// The text of the error −32600 (§5.1).
pub(super) const INVALID: &str = "Invalid Request";

/// The text of the error −32700 (§5.1).
pub(super) const UNREADABLE: &str = "Parse error";

/// Returns the error of JSON that is not a message.
pub(super) fn invalid<'a>(id: RawId) -> Incoming<'a, RawId> {
    Incoming::Invalid { id, error: CallError::invalid_request(INVALID) }
}

/// Returns the error of a text that is not JSON.
pub(super) fn unreadable<'a>() -> Incoming<'a, RawId> {
    Incoming::Invalid { id: RawId::null(), error: CallError::parse_error(UNREADABLE) }
}

/// Returns the error of a text that is nested too deeply.
pub(super) fn too_deep<'a>() -> Incoming<'a, RawId> {
    let error = CallError::parse_error(UNREADABLE).with_data("nested deeper than 64");
    Incoming::Invalid { id: RawId::null(), error }
}

#[cfg(test)]
mod tests;
