//! The body of a POST of the session protocol.

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::client::{append_frame, close_frame_with};

/// The messages of a client, as its frames.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PostBody {
    /// The number of the first message.
    pub(crate) first: u64,
    pub(crate) messages: PostMessages,
    /// The number of the last message that the client has.
    pub(crate) ack: Option<u64>,
    /// The close frame.
    pub(crate) close: Option<Bytes>,
}

/// The frames of messages, in one buffer: a client can send millions of empty messages in a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PostMessages {
    frames: Bytes,
    /// The end of each frame.
    ends: Vec<usize>,
}

impl PostMessages {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the frame of each message.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Bytes> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.frames.slice(start..*end))
    }
}

impl PostBody {
    /// Parses a body. Unknown members are ignored.
    ///
    /// # Errors
    ///
    /// Returns a sentence about what is malformed. A member that occurs twice is.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| format!("the body is malformed: {error}"))
    }
}

/// The greatest number that JSON has in all languages.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

impl<'de> Deserialize<'de> for PostBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor)
    }
}

/// A visitor that turns the messages into frames as they are read, so that no tree of values needs memory.
struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = PostBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PostBody, A::Error> {
        let (mut first, mut messages, mut ack, mut close) = (None, None, None, None::<CloseMembers>);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "first" => set(&mut first, "first", map.next_value()?)?,
                "messages" => set(&mut messages, "messages", map.next_value()?)?,
                "ack" => set(&mut ack, "ack", map.next_value()?)?,
                "close" => set(&mut close, "close", map.next_value()?)?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        let messages: PostMessages = messages.unwrap_or_default();
        let first = match first.map(|Number(first)| first) {
            Some(0) => return Err(A::Error::custom("`first` is 0, but numbers start with 1")),
            None if messages.len() > 0 => return Err(A::Error::custom("`messages` without `first`")),
            first => first.unwrap_or(1),
        };
        let ack = ack.map(|Number(ack)| ack);
        let close = close.map(CloseMembers::into_frame).transpose().map_err(A::Error::custom)?;
        Ok(PostBody { first, messages, ack, close })
    }
}

/// Sets a member of an object, which may occur once.
fn set<T, E: Error>(member: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    if member.replace(value).is_some() {
        return Err(E::duplicate_field(name));
    }
    Ok(())
}

/// The number of a message.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        let is_exact = number <= MAX_NUMBER;
        is_exact.then_some(Self(number)).ok_or_else(|| D::Error::custom("a number above 2^53 - 1"))
    }
}

impl<'de> Deserialize<'de> for PostMessages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MessagesVisitor)
    }
}

struct MessagesVisitor;

impl<'de> Visitor<'de> for MessagesVisitor {
    type Value = PostMessages;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<PostMessages, A::Error> {
        let (mut frames, mut ends) = (Vec::new(), Vec::new());
        while let Some(message) = elements.next_element()? {
            match message {
                // Such a text would be read as a control object.
                PostMessage::Text(text) if text.starts_with('\0') => {
                    let object = serde_json::json!({ "text": text });
                    append_frame(0x01, format!("\0{object}").as_bytes(), &mut frames);
                }
                PostMessage::Text(text) => append_frame(0x01, text.as_bytes(), &mut frames),
                PostMessage::Binary(bytes) => append_frame(0x02, &bytes, &mut frames),
            }
            ends.push(frames.len());
        }
        Ok(PostMessages { frames: frames.into(), ends })
    }
}

/// An element of `messages`.
enum PostMessage {
    Text(String),
    Binary(Vec<u8>),
}

impl<'de> Deserialize<'de> for PostMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MessageVisitor)
    }
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = PostMessage;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or an object `binary` with base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PostMessage, E> {
        Ok(PostMessage::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<PostMessage, E> {
        Ok(PostMessage::Text(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PostMessage, A::Error> {
        let malformed =
            || A::Error::custom("a message that is neither text nor an object `binary` with base64");
        if map.next_key::<String>()?.as_deref() != Some("binary") {
            return Err(malformed());
        }
        let base64 = map.next_value::<String>()?;
        let bytes = BASE64.decode(base64.as_bytes()).map_err(|_| malformed())?;
        match map.next_key::<IgnoredAny>()? {
            None => Ok(PostMessage::Binary(bytes)),
            Some(_) => Err(malformed()),
        }
    }
}

/// The members of `close`.
#[derive(Default)]
struct CloseMembers {
    code: Option<u16>,
    reason: Option<String>,
}

impl<'de> Deserialize<'de> for CloseMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CloseVisitor)
    }
}

struct CloseVisitor;

impl<'de> Visitor<'de> for CloseVisitor {
    type Value = CloseMembers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `code` and `reason`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CloseMembers, A::Error> {
        let mut members = CloseMembers::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "code" => set(&mut members.code, "code", map.next_value()?)?,
                "reason" => set(&mut members.reason, "reason", map.next_value()?)?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(members)
    }
}

impl CloseMembers {
    /// Returns the close frame.
    fn into_frame(self) -> Result<Bytes, &'static str> {
        let reason = self.reason.unwrap_or_default();
        match self.code {
            None if reason.is_empty() => Ok(close_frame_with(&[]).into()),
            Some(code @ (1000..=1003 | 1007..=1014 | 3000..=4999)) if reason.len() <= 123 => {
                Ok(close_frame_with(&[&code.to_be_bytes()[..], reason.as_bytes()].concat()).into())
            }
            None => Err("`close` has a `reason` without a `code`"),
            Some(_) if reason.len() > 123 => Err("the `reason` of `close` is longer than 123 bytes"),
            Some(_) => Err("the `code` of `close` is one that a client may not send"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::http::client::{binary_frame, text_frame};

    #[track_caller]
    fn check(body: &str, expect: Result<PostBody, ()>) {
        assert_eq!(PostBody::parse(body.as_bytes()).map_err(drop), expect, "{body}");
    }

    #[test]
    fn parses_messages() {
        let none = || PostBody { first: 1, ..PostBody::default() };
        let messages = |frames: &[Vec<u8>]| PostMessages {
            frames: frames.concat().into(),
            ends: (0..frames.len()).map(|last| frames[..=last].concat().len()).collect(),
        };
        check("{}", Ok(none()));
        check(r#"{"later":[1]}"#, Ok(none()));
        check(
            r#"{"first":7,"messages":["text",{"binary":"aGk="},"\u0000x"]}"#,
            Ok(PostBody {
                first: 7,
                messages: messages(&[
                    text_frame(b"text"),
                    binary_frame(b"hi"),
                    text_frame(b"\0{\"text\":\"\\u0000x\"}"),
                ]),
                ..none()
            }),
        );
        check(r#"{"ack":12}"#, Ok(PostBody { ack: Some(12), ..none() }));
        let close = |payload: &[u8]| Ok(PostBody { close: Some(close_frame_with(payload).into()), ..none() });
        check(r#"{"close":{"code":1000,"reason":"bye"}}"#, close(b"\x03\xe8bye"));
        check(r#"{"close":{"code":4999}}"#, close(b"\x13\x87"));
        check(r#"{"close":{}}"#, close(b""));
        let deep = format!(r#"{{"later":{}{}}}"#, "[".repeat(100), "]".repeat(100));
        check(&deep, Ok(none()));
    }

    #[test]
    fn rejects_what_is_malformed() {
        let nested = format!(r#"{{"messages":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
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
            r#"{"close":{"reason":"bye"}}"#,
            &long,
            // A member that occurs twice has two values.
            r#"{"first":1,"first":1}"#,
            r#"{"first":1,"messages":["a"],"messages":["a"]}"#,
            r#"{"ack":1,"ack":1}"#,
            r#"{"close":{},"close":{}}"#,
            r#"{"close":{"code":1000,"code":1001}}"#,
            r#"{"close":{"code":1000,"reason":"a","reason":"b"}}"#,
            r#"{"first":1,"messages":[{"binary":"aGk=","binary":"aGk="}]}"#,
            r#"{"first":1,"messages":[{}]}"#,
            r#"{"first":1,"messages":[["a"]]}"#,
            r#"{"first":1,"messages":["a"]}{}"#,
            r#"{"first":1,"messages":["\ud800"]}"#,
            &nested,
        ] {
            check(body, Err(()));
        }
        assert!(PostBody::parse(b"{\"first\":1,\"messages\":[\"\xff\"]}").is_err());
        let why = PostBody::parse(br#"{"ack":1,"ack":2}"#).unwrap_err();
        assert_eq!(why, "the body is malformed: duplicate field `ack` at line 1 column 17");
    }

    #[test]
    fn many_empty_messages_need_little_memory() {
        let body = format!(r#"{{"first":1,"messages":[{}""]}}"#, r#""","#.repeat(99_999));
        let messages = PostBody::parse(body.as_bytes()).unwrap().messages;
        assert_eq!((messages.len(), messages.iter().count()), (100_000, 100_000));
        assert!(messages.iter().all(|frame| frame == text_frame(b"")));
        let memory = messages.frames.len() + messages.ends.len() * size_of::<usize>();
        assert!(memory <= 5 * body.len(), "{memory} bytes for {}", body.len());
    }
}
