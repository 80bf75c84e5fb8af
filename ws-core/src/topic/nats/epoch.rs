//! The epoch of a stream, and where a subscriber continues in it.

use std::time::UNIX_EPOCH;

use async_nats::jetstream::stream::Info;

/// Description of a stream that a hub creates.
pub(super) const DESCRIPTION: &str = "messages of topics, for subscribers that reconnect";

/// Precedes the epoch, in hexadecimal digits, at the end of a description.
const SEPARATOR: &str = "; epoch ";

/// Returns a description with another epoch.
pub(super) fn describe(description: Option<&str>, epoch: u64) -> String {
    let description = description.unwrap_or(DESCRIPTION);
    let (text, _) = description.rsplit_once(SEPARATOR).unwrap_or((description, ""));
    format!("{text}{SEPARATOR}{epoch:x}")
}

/// Returns the epoch in a description. `None` if a hub of an earlier version, or an operator, has written it.
pub(super) fn described(description: Option<&str>) -> Option<u64> {
    let (_, epoch) = description?.rsplit_once(SEPARATOR)?;
    u64::from_str_radix(epoch, 16).ok()
}

/// Returns the epoch that earlier versions use: the creation time.
pub(super) fn created(info: &Info) -> u64 {
    let since = std::time::SystemTime::from(info.created).duration_since(UNIX_EPOCH).unwrap_or_default();
    // Nanoseconds since 1970 fit until the year 2554.
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

/// Returns the epoch of a stream.
pub(super) fn epoch(info: &Info) -> u64 {
    described(info.config.description.as_deref()).unwrap_or_else(|| created(info))
}

/// The end of a stream that this process has seen. A stream that ends before it has lost messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SeenEnd {
    epoch: u64,
    offset: u64,
}

impl SeenEnd {
    /// Records a message, or the end of the stream. Returns whether the stream had another epoch before.
    pub(super) fn observe(&mut self, epoch: u64, offset: u64) -> bool {
        let before = std::mem::replace(&mut self.epoch, epoch);
        self.offset = if before == epoch { self.offset.max(offset) } else { offset };
        before != epoch && before != 0
    }

    /// Returns whether the end is that of this epoch.
    pub(super) fn has_epoch(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Returns whether a stream with this end has lost messages.
    pub(super) fn is_beyond(&self, epoch: u64, last: u64) -> bool {
        self.epoch == epoch && self.offset > last
    }
}

/// The position up to which a subscriber has received a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamPosition {
    pub(super) epoch: u64,
    pub(super) offset: u64,
    /// Whether the offset is that of a message of the topic.
    pub(super) is_message: bool,
}

/// Where a subscriber continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resume {
    pub(super) position: StreamPosition,
    /// Up to this offset, the stream may have messages that the subscriber has received, or that are older
    /// than its subscription.
    pub(super) catch_up: u64,
    /// An unknown number of messages may be lost.
    pub(super) has_gap: bool,
}

impl Resume {
    /// Compares a subscriber's position with a stream.
    pub(super) fn new(position: Option<StreamPosition>, epoch: u64, first: u64, last: u64) -> Self {
        let at = |offset| StreamPosition { epoch, offset, is_message: false };
        match position {
            None => Self { position: at(last), catch_up: 0, has_gap: false },
            Some(position) if position.epoch != epoch => {
                // The messages of the old epoch that have not arrived are lost.
                Self { position: at(0), catch_up: last, has_gap: true }
            }
            // A stale answer, or a lost end. The numbers of the messages that follow decide.
            Some(position) if position.offset > last => {
                Self { position: at(last), catch_up: position.offset, has_gap: false }
            }
            Some(position) => {
                // If the position is not that of a message, nothing is missing only as long as the stream has
                // discarded nothing after it.
                let has_gap = !position.is_message && first > position.offset + 1;
                Self { position, catch_up: 0, has_gap }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_round_trip_through_descriptions() {
        for epoch in [0, 1, u64::MAX] {
            for before in [None, Some("of an operator"), Some("; epoch 1; epoch 2")] {
                assert_eq!(described(Some(&describe(before, epoch))), Some(epoch));
            }
        }
        assert_eq!(describe(Some("of an operator; epoch 1"), 0x2f), "of an operator; epoch 2f");
        let earlier = "messages of topics, for subscribers that reconnect";
        for text in [None, Some(""), Some(earlier), Some("; epoch "), Some("; epoch x"), Some("; epoch -1")] {
            assert_eq!(described(text), None, "{text:?}");
        }
    }

    #[test]
    fn lost_end_is_noticed_within_one_epoch() {
        let mut seen = SeenEnd::default();
        assert!(!seen.observe(1, 10) && !seen.observe(1, 7));
        assert!(seen.is_beyond(1, 9) && !seen.is_beyond(1, 10) && !seen.is_beyond(2, 3));
        assert!(seen.observe(2, 3));
        assert!(seen.is_beyond(2, 2) && !seen.is_beyond(2, 9));
    }

    #[test]
    fn subscriber_continues_where_it_was() {
        let position = StreamPosition { epoch: 1, offset: 5, is_message: true };
        let check = |position, epoch, first, last| {
            let resume = Resume::new(position, epoch, first, last);
            (resume.position.epoch, resume.position.offset, resume.catch_up, resume.has_gap)
        };
        assert_eq!(check(None, 1, 1, 9), (1, 9, 0, false));
        assert_eq!(check(Some(position), 1, 1, 9), (1, 5, 0, false));
        assert_eq!(check(Some(position), 1, 7, 9), (1, 5, 0, false));
        assert_eq!(check(Some(position), 1, 1, 3), (1, 3, 5, false));
        assert_eq!(check(Some(position), 2, 1, 9), (2, 0, 9, true));
        let position = StreamPosition { is_message: false, ..position };
        assert_eq!(check(Some(position), 1, 6, 9), (1, 5, 0, false));
        assert_eq!(check(Some(position), 1, 7, 9), (1, 5, 0, true));
    }
}
