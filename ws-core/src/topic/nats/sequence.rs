//! Who sent a message, and which of theirs it is.

use std::collections::HashMap;
use std::fmt;

use async_nats::HeaderMap;

/// The header with all of it: `node.topic_id.sequence`, and `.connection` or `.mark`.
const HEADER: &str = "Ws";

/// How many bytes it takes, with what NATS writes around it.
pub(super) const HEADER_SIZE: usize = 128;

/// How many senders a topic may have before those that have been silent for longest are forgotten.
const MAX_SENDERS: usize = 4096;

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageId {
    /// The process, by a random number.
    pub(super) node: u64,
    /// The topic in that process, which may forget one and begin anew.
    pub(super) topic_id: u64,
    /// The first is 1. That of a mark is that of the message before.
    pub(super) sequence: u64,
    pub(super) audience: Audience,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// For everybody,
    All,
    /// but for this connection of the process.
    Except(usize),
    /// No message: it says how many there were.
    Checkpoint,
}

impl MessageId {
    pub(super) fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, self.to_string());
        headers
    }

    /// That of a message, if it is one of ours.
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

/// What a stamp says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SequenceCheck {
    /// The next, after so many that were lost. 0 says that nobody knows.
    New(Option<u64>),
    /// It has been heard, or was told as lost.
    Duplicate,
}

/// The senders that a subscription has heard.
#[derive(Default)]
pub(super) struct SequenceTracker {
    /// The number of the last message of each, and when it was heard.
    last: HashMap<(u64, u64), (u64, u64)>,
    clock: u64,
}

impl SequenceTracker {
    pub(super) fn check(&mut self, message_id: &MessageId) -> SequenceCheck {
        self.clock += 1;
        let (key, last_seen) = ((message_id.node, message_id.topic_id), (message_id.sequence, self.clock));
        let is_checkpoint = message_id.audience == Audience::Checkpoint;
        let Some(last) = self.last.get_mut(&key) else {
            if self.last.len() >= MAX_SENDERS {
                self.evict_silent();
            }
            self.last.insert(key, last_seen);
            // How many there were before is nothing to those who have come later. Only a mark is
            // there for those who may have lost something.
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

    /// Forgets the half that has been silent for longest.
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
    fn stamps_are_read_as_they_are_written() {
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
            assert_eq!(tracker.check(&message_id(text)), expect, "{text}")
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
        // The same process after it had forgotten the topic.
        check("1.1.1", SequenceCheck::New(None));
        check("3.0.5.mark", SequenceCheck::New(Some(0)));
        check("2.0.ffffffffffffffff", SequenceCheck::New(Some(u64::MAX - 2)));
        check("2.0.ffffffffffffffff", SequenceCheck::Duplicate);
    }

    #[test]
    fn silent_senders_are_forgotten() {
        let mut tracker = SequenceTracker::default();
        for node in 0..3 * MAX_SENDERS as u64 {
            tracker.check(&MessageId { node, topic_id: 0, sequence: 1, audience: Audience::All });
            // One that is not silent.
            let sequence = node + 1;
            assert_eq!(
                tracker.check(&MessageId { node: u64::MAX, topic_id: 0, sequence, audience: Audience::All }),
                SequenceCheck::New(None)
            );
        }
        assert!(tracker.last.len() <= MAX_SENDERS);
    }
}
