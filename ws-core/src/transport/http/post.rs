//! The body of a POST of the session protocol.

use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::client::{binary_frame, close_frame_with, text_frame};

/// The messages of a client, as its frames.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PostBody {
    /// The number of the first message.
    pub(crate) first: u64,
    pub(crate) messages: Vec<Bytes>,
    /// The acknowledgement, as a control object.
    pub(crate) ack: Option<Bytes>,
    pub(crate) close: Option<Bytes>,
}

/// The reason why a body is malformed, for the response.
type MalformedPost = &'static str;

impl PostBody {
    /// Parses a body. Unknown members are ignored.
    ///
    /// # Errors
    ///
    /// Returns what is malformed.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, MalformedPost> {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(body) else {
            return Err("the body is not a JSON object");
        };
        let messages = match members.remove("messages") {
            None => Vec::new(),
            Some(Value::Array(messages)) => {
                messages.into_iter().map(message).collect::<Option<_>>().ok_or(
                    "`messages` has an element that is neither text nor an object `binary` with base64",
                )?
            }
            Some(_) => return Err("`messages` is not an array"),
        };
        let first = match number(&members, "first")? {
            Some(0) => return Err("`first` is 0, but numbers start with 1"),
            None if !messages.is_empty() => return Err("`messages` without `first`"),
            first => first.unwrap_or(1),
        };
        let ack =
            number(&members, "ack")?.map(|ack| text_frame(format!("\0{{\"ack\":{ack}}}").as_bytes()).into());
        let close = members.get("close").map(close).transpose()?;
        Ok(Self { first, messages, ack, close })
    }
}

/// The greatest number that JSON has in all languages.
const MAX_NUMBER: u64 = (1 << 53) - 1;

fn number(members: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, MalformedPost> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let number = value.as_u64().filter(|number| *number <= MAX_NUMBER);
    number.map(Some).ok_or("`first` or `ack` is not a whole number up to 2^53 - 1")
}

/// Returns the frame of a message.
fn message(message: Value) -> Option<Bytes> {
    match message {
        // Such a text would be read as a control object.
        Value::String(text) if text.starts_with('\0') => {
            let object = serde_json::json!({ "text": text });
            Some(text_frame(format!("\0{object}").as_bytes()).into())
        }
        Value::String(text) => Some(text_frame(text.as_bytes()).into()),
        Value::Object(members) if members.len() == 1 => {
            let base64 = members.get("binary")?.as_str()?;
            Some(binary_frame(&BASE64.decode(base64.as_bytes()).ok()?).into())
        }
        _ => None,
    }
}

/// Returns the frame of a close.
fn close(close: &Value) -> Result<Bytes, MalformedPost> {
    const MALFORMED: MalformedPost =
        "`close` is not an object with a `code` that a client may send and a `reason` of up to 123 bytes";
    let code = match close.get("code") {
        None => return if close.is_object() { Ok(close_frame_with(&[]).into()) } else { Err(MALFORMED) },
        Some(code) => code.as_u64().and_then(|code| u16::try_from(code).ok()).ok_or(MALFORMED)?,
    };
    let reason = close.get("reason").map_or(Some(""), Value::as_str).ok_or(MALFORMED)?;
    if reason.len() > 123 || !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(MALFORMED);
    }
    Ok(close_frame_with(&[&code.to_be_bytes()[..], reason.as_bytes()].concat()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expect: Result<PostBody, ()>) {
        assert_eq!(PostBody::parse(body.as_bytes()).map_err(drop), expect, "{body}");
    }

    #[test]
    fn parses_messages() {
        let none = || PostBody { first: 1, ..PostBody::default() };
        check("{}", Ok(none()));
        check(r#"{"later":[1]}"#, Ok(none()));
        check(
            r#"{"first":7,"messages":["text",{"binary":"aGk="},"\u0000x"]}"#,
            Ok(PostBody {
                first: 7,
                messages: vec![
                    text_frame(b"text").into(),
                    binary_frame(b"hi").into(),
                    text_frame(b"\0{\"text\":\"\\u0000x\"}").into(),
                ],
                ..none()
            }),
        );
        check(r#"{"ack":12}"#, Ok(PostBody { ack: Some(text_frame(b"\0{\"ack\":12}").into()), ..none() }));
        let close = |payload: &[u8]| Ok(PostBody { close: Some(close_frame_with(payload).into()), ..none() });
        check(r#"{"close":{"code":1000,"reason":"bye"}}"#, close(b"\x03\xe8bye"));
        check(r#"{"close":{"code":4999}}"#, close(b"\x13\x87"));
        check(r#"{"close":{}}"#, close(b""));
    }

    #[test]
    fn rejects_what_is_malformed() {
        let long = format!(r#"{{"close":{{"code":1000,"reason":"{}"}}}}"#, "x".repeat(124));
        for body in [
            "",
            "[]",
            "{",
            "{}x",
            r#"{"messages":["a"]}"#,
            r#"{"first":0,"messages":["a"]}"#,
            r#"{"first":-1,"messages":["a"]}"#,
            r#"{"first":1.5,"messages":["a"]}"#,
            r#"{"first":9007199254740992,"messages":["a"]}"#,
            r#"{"first":1,"messages":"a"}"#,
            r#"{"first":1,"messages":[1]}"#,
            r#"{"first":1,"messages":[{"binary":"aGk"}]}"#,
            r#"{"first":1,"messages":[{"binary":"a-_k"}]}"#,
            r#"{"first":1,"messages":[{"binary":"aGk=","more":1}]}"#,
            r#"{"ack":"1"}"#,
            r#"{"close":1000}"#,
            r#"{"close":{"code":1005}}"#,
            r#"{"close":{"code":70000}}"#,
            r#"{"close":{"code":1000,"reason":1}}"#,
            &long,
        ] {
            check(body, Err(()));
        }
        assert!(PostBody::parse(b"{\"first\":1,\"messages\":[\"\xff\"]}").is_err());
    }
}
