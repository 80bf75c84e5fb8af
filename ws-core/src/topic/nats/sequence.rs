//! Message identity, duplicate detection and gap detection.

use std::collections::HashMap;
use std::fmt;

use async_nats::HeaderMap;

/// Header that carries a [`MessageId`]: `node.topic.sequence`, then `.connection` or `.mark` if needed.
const HEADER: &str = "Ws";

/// Upper bound of the header's size on the wire in bytes, including the framing that NATS adds.
pub(super) const HEADER_SIZE: usize = 128;

/// Maximum number of senders that a [`SequenceTracker`] remembers. Beyond it, the least recently active
/// half is evicted.
const MAX_SENDERS: usize = 4096;

/// Identity of a message: its sender and its position among the sender's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageId {
    /// The sending process, identified by a random number.
    pub(super) node: u64,
    /// The topic within that process. A process that drops a topic and opens it again uses a new number.
    pub(super) topic_id: u64,
    /// The number of the message, starting at 1. A checkpoint repeats the number of the last message.
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
    /// No subscriber: the message has no value and only reports how many messages were sent.
    Checkpoint,
}

impl MessageId {
    pub(super) fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, self.to_string());
        headers
    }

    /// Reads the identity from a message's headers. Returns `None` if a hub did not send the message.
    pub(super) fn from_headers(headers: Option<&HeaderMap>) -> Option<Self> {
        Self::parse(headers?.get(HEADER)?.as_str())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let (node, topic_id, sequence) = (number()?, number()?, number()?);
        let audience = match parts.next() {
            None => Audience::All,
            Some("mark") => Audience::Checkpoint,
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
            Audience::Checkpoint => f.write_str(".mark"),
        }
    }
}

/// Result of checking a message against the messages received before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SequenceCheck {
    /// The message is new. `Some` is the number of messages lost before it; 0 means an unknown number.
    New(Option<u64>),
    /// The message was received before, or was reported as lost.
    Duplicate,
}

/// The last sequence number of each sender to one subject.
#[derive(Default)]
pub(super) struct SequenceTracker {
    /// By node and topic: the sequence number of the sender's last message, and when the message arrived.
    last: HashMap<(u64, u64), (u64, u64)>,
    /// Number of messages checked so far; orders senders by their last activity.
    clock: u64,
}

impl SequenceTracker {
    /// Records a message. Returns whether the message is new and how many were lost before it.
    pub(super) fn check(&mut self, message_id: &MessageId) -> SequenceCheck {
        self.clock += 1;
        let (key, last_seen) = ((message_id.node, message_id.topic_id), (message_id.sequence, self.clock));
        let is_checkpoint = message_id.audience == Audience::Checkpoint;
        let Some(last) = self.last.get_mut(&key) else {
            if self.last.len() >= MAX_SENDERS {
                self.evict_silent();
            }
            self.last.insert(key, last_seen);
            // A new subscriber does not miss messages from before its subscription. A checkpoint addresses
            // subscribers that were disconnected and may have lost messages.
            return SequenceCheck::New(is_checkpoint.then_some(0));
        };
        let is_new = if is_checkpoint { message_id.sequence >= last.0 } else { message_id.sequence > last.0 };
        if !is_new {
            return SequenceCheck::Duplicate;
        }
        let missed = message_id.sequence - last.0 - u64::from(!is_checkpoint);
        *last = last_seen;
        SequenceCheck::New((missed > 0).then_some(missed))
    }

    /// Evicts the least recently active half of the senders.
    fn evict_silent(&mut self) {
        let mut times: Vec<u64> = self.last.values().map(|(_, last_seen)| *last_seen).collect();
        let half = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(half);
        let middle = *middle;
        self.last.retain(|_, (_, last_seen)| *last_seen >= middle);
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
    fn gaps_are_counted() {
        let mut tracker = SequenceTracker::default();
        let mut check = |text: &str, expect: SequenceCheck| {
            assert_eq!(tracker.check(&message_id(text)), expect, "{text}");
        };
        check("1.0.7", SequenceCheck::New(None));
        check("1.0.8", SequenceCheck::New(None));
        check("2.0.1", SequenceCheck::New(None));
        check("1.0.b", SequenceCheck::New(Some(2)));
        check("1.0.b", SequenceCheck::Duplicate);
        check("1.0.9", SequenceCheck::Duplicate);
        check("1.0.b.mark", SequenceCheck::New(None));
        check("1.0.d.mark", SequenceCheck::New(Some(2)));
        check("1.0.e", SequenceCheck::New(None));
        check("1.0.a.mark", SequenceCheck::Duplicate);
        // Node 1 has dropped the topic and opened it again.
        check("1.1.1", SequenceCheck::New(None));
        check("3.0.5.mark", SequenceCheck::New(Some(0)));
        check("2.0.ffffffffffffffff", SequenceCheck::New(Some(u64::MAX - 2)));
        check("2.0.ffffffffffffffff", SequenceCheck::Duplicate);
    }

    #[test]
    fn least_recently_active_senders_are_evicted() {
        let mut tracker = SequenceTracker::default();
        for node in 0..3 * MAX_SENDERS as u64 {
            tracker.check(&MessageId { node, topic_id: 0, sequence: 1, audience: Audience::All });
            // This sender stays active and is never evicted.
            let sequence = node + 1;
            assert_eq!(
                tracker.check(&MessageId { node: u64::MAX, topic_id: 0, sequence, audience: Audience::All }),
                SequenceCheck::New(None)
            );
        }
        assert!(tracker.last.len() <= MAX_SENDERS);
    }
}
