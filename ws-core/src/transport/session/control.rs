//! Control objects: the messages of the session protocol itself.
//!
//! On a WebSocket, a control object is a text message that begins with U+0000, followed by a JSON object with one
//! member.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Number, json};

use crate::options::SessionOptions;
use crate::wire::{MAX_HEADER, Opcode, write_header};

/// The first character of a control object's message.
pub(super) const MARK: u8 = 0;

/// A control object from a client.
#[derive(Debug, PartialEq)]
pub(super) enum Control {
    /// The client has the messages up to this number.
    Ack(u64),
    Ping(Number),
    /// A text message, which is numbered.
    Text(String),
    /// An object of a later version.
    Unknown,
}

impl Control {
    /// Parses the message of a control object.
    ///
    /// # Errors
    ///
    /// Returns an error unless the message is [`MARK`] and a JSON object with one member, whose value has the type
    /// that its name demands.
    pub(super) fn parse(message: &[u8]) -> Result<Self, serde_json::Error> {
        let json = message.strip_prefix(&[MARK]).unwrap_or(message);
        match parse_ack(json) {
            Some(number) => Ok(Self::Ack(number)),
            None => serde_json::from_slice(json),
        }
    }
}

/// Parses an acknowledgement without spaces.
// PERF: nearly all objects are such acknowledgements. General path: `Deserialize`. The test
// `acknowledgements_without_spaces_are_those_of_json` holds the two equal. budget: session64
fn parse_ack(json: &[u8]) -> Option<u64> {
    let digits = json.strip_prefix(b"{\"ack\":")?.strip_suffix(b"}")?;
    let is_canonical = matches!(digits, [b'1'..=b'9', ..]) && digits.len() < 20;
    let add = |number: u64, digit: &u8| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'));
    is_canonical.then(|| digits.iter().try_fold(0, add)).flatten()
}

impl<'de> Deserialize<'de> for Control {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ControlVisitor)
    }
}

/// A visitor that reads the only member, so that values of unknown members need no memory.
struct ControlVisitor;

impl<'de> Visitor<'de> for ControlVisitor {
    type Value = Control;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Control, A::Error> {
        let Some(name) = map.next_key::<String>()? else { return Err(A::Error::custom("an empty object")) };
        let control = match name.as_str() {
            "ack" => Control::Ack(map.next_value()?),
            "ping" => Control::Ping(map.next_value()?),
            "text" => Control::Text(map.next_value()?),
            _ => {
                map.next_value::<IgnoredAny>()?;
                Control::Unknown
            }
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(control),
            Some(_) => Err(A::Error::custom("an object with several members")),
        }
    }
}

/// The values of the object that begins a connection.
pub(super) struct Greeting<'a> {
    pub(super) token: &'a str,
    pub(super) resumed: bool,
    pub(super) received: u64,
    pub(super) options: SessionOptions,
    pub(super) interval: Option<Duration>,
    pub(super) subprotocol: Option<&'a str>,
}

impl Greeting<'_> {
    /// Returns the frame of the object.
    pub(super) fn to_frame(&self) -> Vec<u8> {
        let mut session = json!({
            "token": self.token,
            "resumed": self.resumed,
            "received": self.received,
            "resume": millis(self.options.resume),
            "buffer": self.options.buffer,
        });
        if let Some(interval) = self.interval {
            session["interval"] = millis(interval).into();
        }
        if let Some(subprotocol) = self.subprotocol {
            session["subprotocol"] = subprotocol.into();
        }
        let mut frame = Vec::new();
        append_frame(&mut frame, "session", &session.to_string());
        frame
    }
}

/// Appends the frame of an object with one member, whose value is JSON.
// PERF: without `format!`, because every 128th message is followed by an object. budget: session64
pub(super) fn append_frame(to: &mut Vec<u8>, name: &str, value: &str) {
    let parts = ["\0{\"", name, "\":", value, "}"];
    let len = parts.iter().map(|part| part.len()).sum();
    let mut header = [0; MAX_HEADER];
    let size = write_header(&mut header, Opcode::Text, len);
    to.reserve(size + len);
    to.extend_from_slice(&header[..size]);
    for part in parts {
        to.extend_from_slice(part.as_bytes());
    }
}

/// Returns a duration in whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expect: Option<Control>) {
        assert_eq!(Control::parse(message.as_bytes()).ok(), expect, "{message:?}");
    }

    #[test]
    fn parses_objects_with_one_member() {
        check("\0{\"ack\":12}", Some(Control::Ack(12)));
        check("\0 { \"ack\" : 9007199254740991 } ", Some(Control::Ack((1 << 53) - 1)));
        check("\0{\"ping\":1.5}", Some(Control::Ping(Number::from_f64(1.5).unwrap())));
        check("\0{\"text\":\"\\u0000a\\\"é\"}", Some(Control::Text("\0a\"é".into())));
        check("\0{\"later\":[{\"a\":[1,2]},null]}", Some(Control::Unknown));
    }

    #[test]
    fn acknowledgements_without_spaces_are_those_of_json() {
        for number in ["0", "1", "9", "10", "9007199254740991", "9999999999999999999", "18446744073709551615"]
        {
            for object in [
                format!("{{\"ack\":{number}}}"),
                format!("{{\"ack\":0{number}}}"),
                format!("{{\"ack\":{number}0}}"),
                format!("{{\"ack\":+{number}}}"),
                format!("{{\"ack\":{number}.0}}"),
                format!("{{\"ack\":{number}x}}"),
                format!("{{\"ack\":{number}:}}"),
                format!("{{\"ack\":/{number}}}"),
                format!("{{\"ack\":{number}"),
                format!("{{\"ack\":{number}}}}}"),
            ] {
                let general = serde_json::from_str(&object).ok();
                assert_eq!(Control::parse(format!("\0{object}").as_bytes()).ok(), general, "{object}");
            }
        }
    }

    #[test]
    fn rejects_what_is_no_such_object() {
        for message in [
            "\0",
            "\0{}",
            "\0[]",
            "\0\"ack\"",
            "\0{\"ack\":1,\"ack\":2}",
            "\0{\"ack\":-1}",
            "\0{\"ack\":1.5}",
            "\0{\"ack\":\"1\"}",
            "\0{\"ping\":\"1\"}",
            "\0{\"text\":1}",
            "\0{\"ack\":1}x",
            "\0{\"ack\":1",
            "\0\0{\"ack\":1}",
        ] {
            check(message, None);
        }
        assert!(Control::parse(b"\0{\"text\":\"\xff\"}").is_err());
    }

    #[test]
    fn writes_the_greeting() {
        let greeting = Greeting {
            token: "AAECAwQFBgcICQoLDA0ODw",
            resumed: false,
            received: 0,
            options: SessionOptions::DEFAULT,
            interval: None,
            subprotocol: Some("chat.v2"),
        };
        let frame = greeting.to_frame();
        assert_eq!(frame[..4], [0x81, 126, 0, 131]);
        let message = String::from_utf8(frame[4..].to_vec()).unwrap();
        assert_eq!(
            message,
            "\0{\"session\":{\"buffer\":262144,\"received\":0,\"resume\":30000,\"resumed\":false,\
             \"subprotocol\":\"chat.v2\",\"token\":\"AAECAwQFBgcICQoLDA0ODw\"}}"
        );
    }
}
