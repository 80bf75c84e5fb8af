//! Control objects of a server, as a client reads them.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::transport::session::Token;
use crate::transport::session::control::MARK;

/// The longest time of a server's `reconnect`, as in the client for pages.
const MAX_RESTART: Duration = Duration::from_hours(1);

/// A control object from a server.
#[derive(Debug, PartialEq)]
pub(crate) enum ServerObject {
    /// The first message of a connection.
    Greeting(ClientGreeting),
    /// The server has the messages up to this number.
    Ack(u64),
    /// A text message, which is numbered.
    Text(String),
    /// The server stops: the client connects again after this time.
    Reconnect(Duration),
    /// The answer to a ping, which this client does not send, or an object of a later version.
    Unknown,
}

/// The object `session`, as a client reads it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClientGreeting {
    pub(crate) token: Token,
    pub(crate) is_resumed: bool,
    /// The number of the client's last message that the server has.
    pub(crate) received: u64,
    /// How long the session waits for its client.
    pub(crate) resume: Duration,
    /// The bytes that the server keeps.
    pub(crate) buffer: usize,
    pub(crate) subprotocol: Option<Box<str>>,
}

impl ServerObject {
    /// Parses a text message; `None` if the message is one of the application.
    ///
    /// # Errors
    ///
    /// Returns an error if the message begins with U+0000, but is not followed by a JSON object with one member,
    /// whose value has the type that its name demands.
    pub(crate) fn parse(message: &str) -> Option<Result<Self, serde_json::Error>> {
        let json = message.as_bytes().strip_prefix(&[MARK])?;
        Some(serde_json::from_slice(json))
    }
}

impl<'de> Deserialize<'de> for ServerObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ServerObjectVisitor)
    }
}

/// A visitor that reads the only member, so that values of unknown members need no memory.
struct ServerObjectVisitor;

impl<'de> Visitor<'de> for ServerObjectVisitor {
    type Value = ServerObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ServerObject, A::Error> {
        let Some(name) = map.next_key::<String>()? else { return Err(A::Error::custom("an empty object")) };
        let object = match name.as_str() {
            "session" => {
                let greeting = ClientGreeting::read(&map.next_value()?);
                ServerObject::Greeting(greeting.ok_or_else(|| A::Error::custom("an incomplete session"))?)
            }
            "ack" => ServerObject::Ack(map.next_value()?),
            "text" => ServerObject::Text(map.next_value()?),
            "reconnect" => ServerObject::Reconnect(Duration::from_millis(map.next_value()?).min(MAX_RESTART)),
            _ => {
                map.next_value::<IgnoredAny>()?;
                ServerObject::Unknown
            }
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(object),
            Some(_) => Err(A::Error::custom("an object with several members")),
        }
    }
}

impl ClientGreeting {
    /// Reads the members; `None` if one is missing or has another type. Unknown members are ignored.
    fn read(members: &Map<String, Value>) -> Option<Self> {
        let number = |name| members.get(name).and_then(Value::as_u64);
        let subprotocol = match members.get("subprotocol") {
            None => None,
            Some(name) => Some(name.as_str()?.into()),
        };
        Some(Self {
            token: Token::parse(members.get("token")?.as_str()?)?,
            is_resumed: members.get("resumed")?.as_bool()?,
            received: number("received")?,
            resume: Duration::from_millis(number("resume")?),
            buffer: usize::try_from(number("buffer")?).unwrap_or(usize::MAX),
            subprotocol,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &str = r#"{"session":{"token":"AAECAwQFBgcICQoLDA0ODw","resumed":true,"received":2,"resume":30000,"buffer":262144,"subprotocol":"chat.v2","later":[1]}}"#;

    fn parse(object: &str) -> Option<ServerObject> {
        ServerObject::parse(&format!("\0{object}")).unwrap().ok()
    }

    #[test]
    fn objects_have_one_member() {
        assert!(ServerObject::parse("{\"ack\":1}").is_none() && ServerObject::parse("").is_none());
        assert_eq!(parse("{\"ack\":12}"), Some(ServerObject::Ack(12)));
        assert_eq!(parse("{\"text\":\"\\u0000a\"}"), Some(ServerObject::Text("\0a".into())));
        assert_eq!(parse("{\"reconnect\":2500}"), Some(ServerObject::Reconnect(Duration::from_millis(2500))));
        assert_eq!(parse("{\"reconnect\":9e15}"), None);
        assert_eq!(parse("{\"reconnect\":9000000000000}"), Some(ServerObject::Reconnect(MAX_RESTART)));
        assert_eq!(parse("{\"pong\":1}"), Some(ServerObject::Unknown));
        for object in
            ["", "{}", "[]", "{\"ack\":-1}", "{\"ack\":1,\"text\":\"\"}", "{\"text\":1}", "{\"ack\":1}x"]
        {
            assert_eq!(parse(object), None, "{object}");
        }
    }

    #[test]
    fn greeting_has_all_members() {
        let Some(ServerObject::Greeting(greeting)) = parse(GREETING) else { panic!("no greeting") };
        assert_eq!((greeting.is_resumed, greeting.received, greeting.buffer), (true, 2, 256 << 10));
        assert_eq!(
            (greeting.resume, greeting.subprotocol.as_deref()),
            (Duration::from_secs(30), Some("chat.v2"))
        );
        for (member, other) in [
            ("\"token\"", "\"other\""),
            ("AAEC", "A"),
            ("true", "1"),
            ("\"received\":2", "\"received\":-2"),
            ("\"resume\"", "\"other\""),
            ("262144", "\"1\""),
            ("\"chat.v2\"", "7"),
        ] {
            assert_eq!(parse(&GREETING.replacen(member, other, 1)), None, "{member}");
        }
    }
}
