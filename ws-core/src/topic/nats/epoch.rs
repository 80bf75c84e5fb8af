//! The epoch of a stream, and where a subscriber continues in it.

use std::cmp::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::Error;
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
    nanoseconds(info.created)
}

/// Returns the nanoseconds since 1970; 0 for times before.
pub(super) fn nanoseconds(time: impl Into<SystemTime>) -> u64 {
    let since = time.into().duration_since(UNIX_EPOCH).unwrap_or_default();
    // They fit until the year 2554.
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

/// Returns the epoch of a stream.
pub(super) fn epoch(info: &Info) -> u64 {
    described(info.config.description.as_deref()).unwrap_or_else(|| created(info))
}

/// A message of a stream, of any topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamEnd {
    pub(super) epoch: u64,
    pub(super) offset: u64,
    /// When the server has stored the message, in nanoseconds since 1970. The times of a stream rise. 0 if the
    /// server does not know.
    pub(super) stored_at: u64,
}

impl StreamEnd {
    /// Returns the last message of a stream.
    pub(super) fn new(info: &Info) -> Self {
        let stored_at = nanoseconds(info.state.last_timestamp);
        Self { epoch: epoch(info), offset: info.state.last_sequence, stored_at }
    }
}

/// The last message of a stream that this process has seen. A stream without it has lost messages, unless it
/// has discarded the message by its limits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SeenEnd(StreamEnd);

/// Result of comparing a [`SeenEnd`] with the end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndCheck {
    /// The stream has lost nothing that this process has seen.
    Kept,
    /// The stream has lost its end.
    Lost,
    /// The stream may have stored other messages after it has lost its end: [`SeenEnd::is_replaced`] decides.
    Unproven,
}

/// The times of the messages in a stream, to be read from the broker.
pub(super) trait StreamTimes: Sync {
    /// Returns when the message at an offset was stored. `None` if there is none.
    fn stored_at(&self, offset: u64) -> impl Future<Output = Result<Option<u64>, Error>> + Send;

    /// Returns the offset of the first message that was stored after a time. `None` if there is none.
    fn first_after(&self, stored_at: u64) -> impl Future<Output = Result<Option<u64>, Error>> + Send;
}

impl SeenEnd {
    /// Records a message, or the end of the stream. Returns whether the stream had another epoch before.
    pub(super) fn observe(&mut self, end: StreamEnd) -> bool {
        let before = self.0;
        if before.epoch != end.epoch || before.offset < end.offset {
            self.0 = end;
        }
        before.epoch != end.epoch && before.epoch != 0
    }

    /// Returns whether the end is that of this epoch.
    pub(super) fn has_epoch(&self, epoch: u64) -> bool {
        self.0.epoch == epoch
    }

    /// Compares the end with that of the stream.
    pub(super) fn check(&self, end: &StreamEnd) -> EndCheck {
        if self.0.epoch != end.epoch {
            return EndCheck::Kept;
        }
        match end.offset.cmp(&self.0.offset) {
            Ordering::Less => EndCheck::Lost,
            Ordering::Equal if end.stored_at == self.0.stored_at => EndCheck::Kept,
            // Nothing is known that the stream could have lost.
            _ if self.0.stored_at == 0 => EndCheck::Kept,
            _ => EndCheck::Unproven,
        }
    }

    /// Returns whether another message has taken the offset of the end, or an offset before.
    pub(super) async fn is_replaced(&self, times: &impl StreamTimes) -> Result<bool, Error> {
        if let Some(stored_at) = times.stored_at(self.0.offset).await? {
            return Ok(stored_at != self.0.stored_at);
        }
        // The stream has discarded the message. In a stream that has lost it, other messages before its offset
        // are newer.
        let first = times.first_after(self.0.stored_at).await?;
        Ok(first.is_some_and(|offset| offset <= self.0.offset))
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
    use futures_util::FutureExt;

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
        let end = |epoch, offset, stored_at| StreamEnd { epoch, offset, stored_at };
        let mut seen = SeenEnd::default();
        assert!(!seen.observe(end(1, 10, 100)) && !seen.observe(end(1, 7, 70)));
        assert_eq!(seen.check(&end(1, 9, 90)), EndCheck::Lost);
        assert_eq!(seen.check(&end(1, 10, 100)), EndCheck::Kept);
        assert_eq!(seen.check(&end(1, 10, 101)), EndCheck::Unproven);
        assert_eq!(seen.check(&end(1, 11, 110)), EndCheck::Unproven);
        assert_eq!(seen.check(&end(2, 3, 30)), EndCheck::Kept);
        assert!(seen.observe(end(2, 3, 0)));
        assert_eq!(seen.check(&end(2, 2, 20)), EndCheck::Lost);
        // The time is not known.
        assert_eq!(seen.check(&end(2, 9, 90)), EndCheck::Kept);
    }

    /// The messages of a stream: their offsets and times.
    struct Times(Vec<(u64, u64)>);

    impl StreamTimes for Times {
        async fn stored_at(&self, offset: u64) -> Result<Option<u64>, Error> {
            Ok(self.0.iter().find(|(at, _)| *at == offset).map(|(_, stored_at)| *stored_at))
        }

        async fn first_after(&self, stored_at: u64) -> Result<Option<u64>, Error> {
            Ok(self.0.iter().find(|(_, at)| *at > stored_at).map(|(offset, _)| *offset))
        }
    }

    #[test]
    fn replaced_end_is_known_by_its_time() {
        let seen = SeenEnd(StreamEnd { epoch: 1, offset: 10, stored_at: 100 });
        let check = |messages: &[(u64, u64)], expect: bool| {
            let replaced = seen.is_replaced(&Times(messages.to_vec())).now_or_never().unwrap().unwrap();
            assert_eq!(replaced, expect, "{messages:?}");
        };
        check(&[(9, 90), (10, 100), (11, 110)], false);
        check(&[(9, 90), (10, 101), (11, 110)], true);
        // The message is discarded.
        check(&[(9, 90), (11, 110)], false);
        check(&[(9, 101), (11, 110)], true);
        check(&[(9, 90)], false);
        check(&[], false);
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
