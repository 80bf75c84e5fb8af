//! Messages with their name in a member.

use std::marker::PhantomData;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::to_writer;
use serde_json::value::RawValue;

use super::call_error::CallError;
use super::json_rpc::{invalid, read_answer, too_deep, unreadable};
use super::members::{JsonMembers, MAX_MESSAGE_DEPTH, is_nested_deeper, read_own_id, read_str};
use super::raw_id::RawId;
use super::{Envelope, Incoming};

/// JSON objects whose member `type` has the name of the message: `#[websocket(envelope = Tagged)]`.
///
/// The other members are the parameters: `{"type": "typing", "room": "lobby"}`. With other [`TagNames`], the name
/// is in another member, and the parameters can have a member of their own: `{"event": "typing", "data": {"room":
/// "lobby"}}` is `#[websocket(envelope = Tagged(tag = "event", content = "data"))]`.
///
/// | text from the client | effect |
/// |---|---|
/// | a name, without `id` | a message for its `#[on_message]`, never answered |
/// | a name and an `id`: a string, a number or `null` | the `#[on_call]`, and an answer: `{"id": …, "result": …}`, or `{"id": …, "error": {"code": …, "message": …}}` |
/// | `id`, and `result` or `error`, without a name | an answer to a call of the server, never answered |
/// | not JSON, or an argument nested deeper than 64 | the error −32700, with the id `null` |
/// | not an object, without a name, another `id`, one of these members twice | the error −32600 |
///
/// The codes of errors are those of JSON-RPC 2.0. In the form without a content member, the parameters include the
/// members `type` and `id`, which arguments that are taken by name ignore; and the server's own
/// messages have to serialize as an object, or as `null`.
///
/// ```
/// use serde_json::json;
/// use ws_core::{Envelope, Incoming, Tagged};
///
/// let opened = <Tagged>::open(r#"{"type": "typing", "room": "lobby"}"#);
/// assert!(matches!(opened, Incoming::Message { name, .. } if name == "typing"));
///
/// let mut sent = Vec::new();
/// <Tagged>::write_message("typing", &json!({ "room": "lobby" }), &mut sent).unwrap();
/// assert_eq!(sent, br#"{"type":"typing","room":"lobby"}"#);
/// ```
#[derive(Debug)]
pub struct Tagged<N = TypeTag>(PhantomData<fn() -> N>);

/// The names of the members of [`Tagged`]. Neither name may be `id`, `result` or `error`.
///
/// ```
/// use ws_core::{Envelope, Incoming, TagNames, Tagged};
///
/// enum Events {}
///
/// impl TagNames for Events {
///     const TAG: &'static str = "event";
///     const CONTENT: Option<&'static str> = Some("data");
/// }
///
/// let opened = Tagged::<Events>::open(r#"{"event": "add", "data": [1, 2], "id": 7}"#);
/// let Incoming::Call { id, params, .. } = opened else { panic!("a call") };
/// assert_eq!((id.as_str(), params.unwrap().get()), ("7", "[1, 2]"));
/// ```
pub trait TagNames: 'static {
    /// The member with the name of the message.
    const TAG: &'static str;
    /// The member with the parameters. `None` if the parameters are the members beside the name.
    const CONTENT: Option<&'static str>;
}

/// The default names of [`Tagged`]: the name in `type`, and the parameters beside it.
///
/// ```
/// use ws_core::{TagNames, TypeTag};
///
/// assert_eq!((TypeTag::TAG, TypeTag::CONTENT), ("type", None));
/// ```
#[derive(Debug)]
pub enum TypeTag {}

impl TagNames for TypeTag {
    const TAG: &'static str = "type";
    const CONTENT: Option<&'static str> = None;
}

impl<N: TagNames> Tagged<N> {
    /// The names of a message's members. Without a content member, its name cannot be found.
    const MEMBERS: [&'static str; 5] = [
        N::TAG,
        match N::CONTENT {
            Some(content) => content,
            None => N::TAG,
        },
        "id",
        "result",
        "error",
    ];

    /// Writes the members of a message or a call. `id` is the member with the id.
    fn write<T: Serialize + ?Sized>(
        id: &str,
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        out.push(b'{');
        to_writer(&mut *out, N::TAG)?;
        out.push(b':');
        to_writer(&mut *out, name)?;
        out.extend_from_slice(id.as_bytes());
        let before = out.len();
        if let Some(content) = N::CONTENT {
            out.push(b',');
            to_writer(&mut *out, content)?;
            out.push(b':');
        }
        let start = out.len();
        to_writer(&mut *out, params)?;
        match out.get_mut(start..) {
            // No parameters: `null`, or an empty object beside the name.
            None | Some([] | [b'n', ..]) => out.truncate(before),
            Some(_) if N::CONTENT.is_some() => {}
            Some([b'{', b'}']) => out.truncate(before),
            // The members of the object follow those of the message.
            Some([first @ b'{', ..]) => {
                *first = b',';
                return Ok(());
            }
            Some(_) => {
                return Err(serde_json::Error::custom(
                    "the content of a message without a content member has to be an object",
                ));
            }
        }
        out.push(b'}');
        Ok(())
    }
}

impl<N: TagNames> Envelope for Tagged<N> {
    type Id = RawId;

    fn open(text: &str) -> Incoming<'_, RawId> {
        if is_nested_deeper(text, MAX_MESSAGE_DEPTH) {
            return too_deep();
        }
        let Ok(whole) = serde_json::from_str::<&RawValue>(text) else { return unreadable() };
        if !whole.get().starts_with('{') {
            return invalid(RawId::null());
        }
        let Ok(members) = JsonMembers::read(whole.get(), &Self::MEMBERS) else { return unreadable() };
        let [name, content, id, result, error] = members.values;
        if name.is_none() && (result.is_some() || error.is_some()) {
            return Incoming::Answer { id: read_own_id(id), answer: read_answer(result, error) };
        }
        let id = match (id, id.and_then(RawId::new)) {
            (Some(_), None) => return invalid(RawId::null()),
            (_, id) => id,
        };
        let params = if N::CONTENT.is_some() { content } else { Some(whole) };
        match (name.and_then(read_str).filter(|_| !members.has_repeated), id) {
            (Some(name), Some(id)) => Incoming::Call { id, name, params },
            (Some(name), None) => Incoming::Message { name, params },
            (None, id) => invalid(id.unwrap_or_else(RawId::null)),
        }
    }

    fn write_message<T: Serialize + ?Sized>(
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        Self::write("", name, params, out)
    }

    fn write_call<T: Serialize + ?Sized>(
        id: u64,
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        Self::write(&format!(",\"id\":{id}"), name, params, out)
    }

    fn write_answer<T: Serialize + ?Sized>(
        id: &RawId,
        answer: Result<&T, &CallError>,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        out.extend_from_slice(br#"{"id":"#);
        out.extend_from_slice(id.as_str().as_bytes());
        match answer {
            Ok(result) => {
                out.extend_from_slice(br#","result":"#);
                to_writer(&mut *out, result)?;
            }
            Err(error) => {
                out.extend_from_slice(br#","error":"#);
                to_writer(&mut *out, error)?;
            }
        }
        out.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests;
