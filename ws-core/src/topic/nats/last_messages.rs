//! Reading the last messages of a topic from a stream that has the messages of all topics.

use async_nats::jetstream::stream::{Info, Stream};
use async_nats::{Error, Subject};

use super::accounting::account;
use super::consumer::{BATCH, EphemeralConsumer};
use super::epoch::epoch;
use super::recovery::{HistorySearch, read_first};
use super::tracker::Earlier;
use crate::sync::lock;
use crate::topic::broker::RecoveredMessages;
use crate::topic::position::Position;

/// Returns the maximum number of surplus messages that are read to avoid another guess: as many as requested, but
/// not fewer than 64, and not more than a batch. Their payloads are not retained.
fn slack(len: u64) -> u64 {
    len.clamp(64, BATCH as u64)
}

impl HistorySearch {
    /// Returns the last `len` messages of the topic.
    pub(super) async fn last_messages(
        &self,
        stream: &Stream,
        info: &Info,
        len: usize,
    ) -> Result<RecoveredMessages, Error> {
        let max_len = self.history_stream.max_len();
        let len = len.min(max_len);
        let (epoch, mut wanted) = (epoch(info), len);
        let received = lock(&self.progress).last_message(epoch);
        // Marks take places in the history. The second attempt makes up for them.
        let (end, mut accounted) = loop {
            let consumer = consumer_for_last(stream, &self.subject, info, wanted as u64).await?;
            let messages = read_first(&consumer, u64::MAX, wanted as u64).await?;
            let (read, surplus) = (messages.len(), messages.len().saturating_sub(wanted));
            let surplus_end = surplus.checked_sub(1).map(|last| messages[last].0);
            // Without a message, the position is the end of the stream: new messages follow it.
            let end = messages.last().map_or(info.state.last_sequence, |(offset, ..)| *offset);
            let accounted = account(messages, None, Earlier::Unread);
            let Ok(mut accounted) = accounted else {
                return Err("a part of a history leaves a doubt".into());
            };
            // The surplus has no payloads.
            if let Some(offset) = surplus_end {
                accounted.remove_until(offset);
            }
            if accounted.len() >= len || read < wanted || wanted > len {
                break (end, accounted);
            }
            // The stream may have more messages than the history and the one before it.
            wanted = (2 * wanted - accounted.len()).min(max_len.saturating_add(1));
        };
        self.check_end(stream, info, received, end).await?;
        accounted.retain_last(len);
        lock(&self.progress).recover(epoch, end);
        let missed = self.recovered_items(accounted, epoch);
        let position = Position { epoch, offset: end };
        Ok(RecoveredMessages { recovered: true, is_unchanged: false, position, missed })
    }
}

/// Creates a consumer that starts at the last `len` messages of a subject, or up to [`slack`] before them. If
/// messages arrive meanwhile, more may precede the last `len`.
///
/// The stream reports how many messages of the subject follow a sequence, but not which sequence `len`
/// messages follow. So this function guesses sequences. Most topics have fewer messages than requested and
/// need no guess; if messages are spread evenly, the first guess is close enough.
pub(super) async fn consumer_for_last(
    stream: &Stream,
    subject: &Subject,
    info: &Info,
    len: u64,
) -> Result<EphemeralConsumer, Error> {
    let mut best = EphemeralConsumer::create(stream, subject, 0).await?;
    let count = best.pending();
    if count <= len + slack(len) {
        return Ok(best);
    }
    let mut range = SearchRange::new((info.state.first_sequence, count), info.state.last_sequence + 1);
    while let Some(sequence) = range.guess(len) {
        let guessed = EphemeralConsumer::create(stream, subject, sequence).await?;
        let count = guessed.pending();
        if count >= len {
            best = guessed;
        }
        if range.narrow(sequence, count, len) {
            break;
        }
    }
    Ok(best)
}

/// The part of a stream in which the start of the last messages is searched.
///
/// Each bound is a sequence and the number of the topic's messages from there on.
struct SearchRange {
    /// Too many messages follow this bound.
    low: (u64, u64),
    /// Too few messages follow this bound.
    high: (u64, u64),
    guesses: u32,
}

impl SearchRange {
    fn new(low: (u64, u64), end: u64) -> Self {
        Self { low, high: (end, 0), guesses: 0 }
    }

    /// Returns the next sequence to try. Returns `None` if there is none between the bounds.
    fn guess(&mut self, len: u64) -> Option<u64> {
        let (low, high) = (self.low.0, self.high.0);
        let width = high.checked_sub(low).filter(|width| *width > 1)?;
        self.guesses += 1;
        // Every third guess, including the first, interpolates as if messages were spread evenly. The
        // others bisect, because messages often are not.
        let back = if self.guesses % 3 == 1 {
            let wanted = (len + slack(len) / 2).saturating_sub(self.high.1);
            let between = self.low.1.saturating_sub(self.high.1).max(1);
            let back = u128::from(width) * u128::from(wanted) / u128::from(between);
            u64::try_from(back).unwrap_or(width)
        } else {
            width / 2
        };
        Some(high - back.clamp(1, width - 1))
    }

    /// Records that `count` messages follow `sequence`. Returns whether that is close enough to `len`.
    fn narrow(&mut self, sequence: u64, count: u64, len: u64) -> bool {
        if count < len {
            self.high = (sequence, count);
        } else {
            self.low = (sequence, count);
        }
        (len..=len + slack(len)).contains(&count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the number of guesses in a stream that has the topic's messages at `sequences`.
    #[track_caller]
    fn check(sequences: &[u64], end: u64, len: u64, max_guesses: u32) {
        let count_from =
            |sequence: u64| (sequences.len() - sequences.partition_point(|one| *one < sequence)) as u64;
        let mut range = SearchRange::new((1, count_from(1)), end);
        let mut found = None;
        while let Some(sequence) = range.guess(len) {
            found = Some(count_from(sequence));
            if range.narrow(sequence, count_from(sequence), len) {
                break;
            }
        }
        let found = found.unwrap();
        assert!((len..=len + slack(len)).contains(&found), "{found} for {len}");
        assert!(range.guesses <= max_guesses, "{} guesses", range.guesses);
    }

    #[test]
    fn start_is_found_with_few_guesses() {
        let even: Vec<u64> = (1..=100_000).map(|number| number * 7).collect();
        check(&even, 700_001, 50, 1);
        check(&even, 700_001, 99_000, 1);
        check(&even, 1 << 40, 50, 60);
        // Most messages are at the end, or at the beginning.
        let late: Vec<u64> = (0..100_000).map(|number| 500_000_000_000 + number).collect();
        check(&late, 500_000_100_000, 50, 60);
        let early: Vec<u64> = (1..=100_000).chain([90_000_000, 99_999_999]).collect();
        check(&early, 100_000_000, 50, 30);
        // The largest possible sequence does not overflow.
        check(&early, u64::MAX, 50, 100);
        let bursts: Vec<u64> = (0..100)
            .flat_map(|burst| (1..1000).map(move |number| burst * burst * 10_000_000 + number))
            .collect();
        check(&bursts, 100_000_000_000, 50, 60);
        check(&bursts, 100_000_000_000, 5000, 60);
    }

    #[test]
    fn search_ends_although_counts_change_meanwhile() {
        let mut range = SearchRange::new((1, 10_000), 1_000_000);
        let mut count = 0;
        while let Some(sequence) = range.guess(10) {
            count = if count == 0 { u64::MAX } else { 0 };
            if range.narrow(sequence, count, 10) {
                break;
            }
        }
        assert!(range.guesses < 100);
    }
}
