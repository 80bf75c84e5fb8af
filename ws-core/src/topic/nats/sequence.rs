//! Message identity: the headers that let a subscriber find duplicates and losses.

use std::fmt;

use async_nats::HeaderMap;

/// Header that carries a [`MessageId`]: `node.topic.sequence`, then `.connection` or `.mark` if needed.
const ID: &str = "Ws";

/// Header that carries a [`Base`]: `number.offset`, then `.again` for a message that may be stored late.
/// Processes of versions before this header neither send nor read it.
const BASE: &str = "Ws-Base";

/// Header by which the server discards a message that it has stored already.
const SERVER_ID: &str = "Nats-Msg-Id";

/// Upper bound of the headers' size on the wire in bytes, including the framing that NATS adds.
pub(super) const HEADER_SIZE: usize = 256;

/// Identity of a message: its sender and its position among the sender's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageId {
    /// The sending process, identified by a random number.
    pub(super) node: u64,
    /// The sender within that process. A process that has forgotten a topic uses a new number.
    pub(super) topic_id: u64,
    /// The number of the message, starting at 1. A mark has the number of the last message before it.
    pub(super) sequence: u64,
    pub(super) audience: Audience,
}

/// The recipients of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// All subscribers.
    All,
    /// All subscribers except this connection of the sending process.
    Except(usize),
    /// No subscriber: the message has no value. All messages up to its number that have not arrived before
    /// are lost.
    Mark,
}

/// A message of the same sender whose outcome the sender knew when it sent a message.
///
/// Every number up to `number` is accounted for at `offset` or before: stored, or reported as lost. Every
/// later number is stored after `offset`, if at all. Number 0 is the start of the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) number: u64,
    /// Offset in the history; 0 without a history.
    pub(super) offset: u64,
}

/// The headers of a message that a hub has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) id: MessageId,
    /// `None` if the sender is of an earlier version.
    pub(super) base: Option<Base>,
    /// The message was sent more than once, so that later messages may be stored before it.
    pub(super) is_repeated: bool,
}

impl MessageId {
    /// Returns the sender, as a key.
    pub(super) fn sender(&self) -> (u64, u64) {
        (self.node, self.topic_id)
    }

    /// Returns whether the message has no value.
    pub(super) fn is_mark(&self) -> bool {
        self.audience == Audience::Mark
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let (node, topic_id, sequence) = (number()?, number()?, number()?);
        let audience = match parts.next() {
            None => Audience::All,
            Some("mark") => Audience::Mark,
            Some(connection) => Audience::Except(usize::from_str_radix(connection, 16).ok()?),
        };
        Some(Self { node, topic_id, sequence, audience })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}.{:x}", self.node, self.topic_id, self.sequence)?;
        match self.audience {
            Audience::All => Ok(()),
            Audience::Except(connection) => write!(f, ".{connection:x}"),
            Audience::Mark => f.write_str(".mark"),
        }
    }
}

impl Stamp {
    /// Returns the headers of a message without a history.
    pub(super) fn core_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID, self.id.to_string());
        if let Some(base) = self.base {
            headers.insert(BASE, self.format_base(base));
        }
        headers
    }

    /// Returns the headers of a message of a history, which the server stores once.
    pub(super) fn history_headers(&self) -> HeaderMap {
        let mut headers = self.core_headers();
        headers.insert(SERVER_ID, self.id.to_string());
        headers
    }

    /// Reads the headers of a message. Returns `None` if a hub did not send it.
    pub(super) fn from_headers(headers: Option<&HeaderMap>) -> Option<Self> {
        let headers = headers?;
        let id = MessageId::parse(headers.get(ID)?.as_str())?;
        let base = headers.get(BASE).and_then(|base| Self::parse_base(base.as_str()));
        Some(Self { id, base: base.map(|(base, _)| base), is_repeated: base.is_some_and(|(_, again)| again) })
    }

    fn format_base(&self, base: Base) -> String {
        let again = if self.is_repeated { ".again" } else { "" };
        format!("{:x}.{:x}{again}", base.number, base.offset)
    }

    fn parse_base(text: &str) -> Option<(Base, bool)> {
        let mut parts = text.split('.');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let base = Base { number: number()?, offset: number()? };
        Some((base, parts.next() == Some("again")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_id(text: &str) -> MessageId {
        MessageId::parse(text).unwrap()
    }

    #[test]
    fn message_ids_round_trip_through_text() {
        for text in ["1.2.3", "ffffffffffffffff.0.a.1f", "7.0.0.mark"] {
            assert_eq!(message_id(text).to_string(), text);
        }
        let hostile = ["", "1", "1.2", "1.2.", "1.2.x", "1.2.3.", "1.2.3.-1", "1.2.11111111111111111"];
        for text in hostile {
            assert_eq!(MessageId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn stamps_round_trip_through_headers() {
        let base = Some(Base { number: u64::MAX, offset: u64::MAX });
        let id = message_id("ffffffffffffffff.ffffffffffffffff.ffffffffffffffff.ffffffffffffffff");
        for stamp in [
            Stamp { id, base, is_repeated: true },
            Stamp { id, base, is_repeated: false },
            Stamp { id: message_id("1.2.3.mark"), base: None, is_repeated: false },
        ] {
            let headers = stamp.history_headers();
            assert_eq!(Stamp::from_headers(Some(&headers)), Some(stamp));
            let size: usize = headers
                .iter()
                .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
                .map(|(name, value)| name.to_string().len() + value.as_str().len() + ": \r\n".len())
                .sum();
            assert!("NATS/1.0\r\n\r\n".len() + size <= HEADER_SIZE, "{size}");
        }
    }

    /// The formats of two versions meet while processes are replaced one by one.
    #[test]
    fn earlier_versions_read_and_are_read() {
        // A message of an earlier version has no base.
        let mut headers = HeaderMap::new();
        headers.insert("Ws", "1.2.3.mark");
        let earlier = Stamp { id: message_id("1.2.3.mark"), base: None, is_repeated: false };
        assert_eq!(Stamp::from_headers(Some(&headers)), Some(earlier));
        // Earlier versions read this header alone, in this form.
        let base = Some(Base { number: 2, offset: 7 });
        let headers = Stamp { id: message_id("1.2.3.4"), base, is_repeated: false }.history_headers();
        assert_eq!(headers.get("Ws").unwrap().as_str(), "1.2.3.4");
        for hostile in ["", "1", "1.", ".", "x.1", "1.-1", "1.11111111111111111"] {
            let mut headers = headers.clone();
            headers.insert("Ws-Base", hostile);
            assert_eq!(Stamp::from_headers(Some(&headers)).unwrap().base, None, "{hostile}");
        }
    }
}
