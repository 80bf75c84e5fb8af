//! The last messages of a history, in a stream that has those of all topics.

use async_nats::jetstream;
use async_nats::jetstream::stream::{Info, Stream};
use async_nats::{Error, Subject};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::REQUEST_TIMEOUT;
use super::history_stream::{EphemeralConsumer, MAX_LEN, create_ephemeral_consumer, epoch};
use super::recovery::{BATCH, HistorySearch};
use crate::topic::broker::RecoveredMessages;
use crate::topic::position::Position;

/// So many more than were asked for are read, rather than that a better place to begin is looked for.
const SLACK: u64 = BATCH as u64;

impl HistorySearch {
    /// The last so many messages of the topic.
    pub(super) async fn last_messages(
        &self,
        stream: &Stream,
        info: &Info,
        len: usize,
    ) -> Result<RecoveredMessages, Error> {
        let len = len.min(self.history_stream.history.len).min(MAX_LEN);
        let consumer = consumer_for_last(stream, &self.subject, info, len as u64).await?;
        let mut messages = read(&consumer).await?;
        messages.drain(..messages.len().saturating_sub(len));
        let (epoch, end) = (epoch(info), info.state.last_sequence);
        // If there is none, those that come are behind all that the stream had before.
        let offset = messages.last().map_or(end, |(offset, _)| *offset);
        let missed =
            messages.into_iter().filter_map(|(offset, message)| self.remote_message(offset, message, epoch));
        let (position, missed) = (Position { epoch, offset }, missed.collect());
        Ok(RecoveredMessages { recovered: true, is_unchanged: false, position, missed })
    }
}

/// A consumer that begins with the last so many messages of a subject, or a few before. The stream says
/// of a place how many come behind it, but not where so many begin: mostly that is looked for once, as
/// few topics have many more than are asked for, or not far from where it is guessed.
async fn consumer_for_last(
    stream: &Stream,
    subject: &Subject,
    info: &Info,
    len: u64,
) -> Result<EphemeralConsumer, Error> {
    let mut best = create_ephemeral_consumer(stream, subject, 0).await?;
    let count = best.pull.cached_info().num_pending;
    if count <= len + SLACK {
        return Ok(best);
    }
    let mut range = SearchRange::new((info.state.first_sequence, count), info.state.last_sequence + 1);
    while let Some(sequence) = range.guess(len) {
        let guessed = create_ephemeral_consumer(stream, subject, sequence).await?;
        let count = guessed.pull.cached_info().num_pending;
        if count >= len {
            best = guessed;
        }
        if range.narrow(sequence, count, len) {
            break;
        }
    }
    Ok(best)
}

/// Between two places of a stream, each with how many messages of the topic come behind it: too many
/// and too few.
struct SearchRange {
    low: (u64, u64),
    high: (u64, u64),
    guesses: u32,
}

impl SearchRange {
    fn new(low: (u64, u64), end: u64) -> Self {
        Self { low, high: (end, 0), guesses: 0 }
    }

    /// Where to look next, if there is a place between.
    fn guess(&mut self, len: u64) -> Option<u64> {
        let (low, high) = (self.low.0, self.high.0);
        let width = high.checked_sub(low).filter(|width| *width > 1)?;
        self.guesses += 1;
        // As if they were spread evenly, at first; mostly in the middle then, as they are not.
        let back = if self.guesses % 3 == 1 {
            let wanted = (len + SLACK / 2).saturating_sub(self.high.1);
            let between = self.low.1.saturating_sub(self.high.1).max(1);
            let back = u128::from(width) * u128::from(wanted) / u128::from(between);
            u64::try_from(back).unwrap_or(width)
        } else {
            width / 2
        };
        Some(high - back.clamp(1, width - 1))
    }

    /// So many come behind that place. True if that will do.
    fn narrow(&mut self, sequence: u64, count: u64, len: u64) -> bool {
        if count < len {
            self.high = (sequence, count);
        } else {
            self.low = (sequence, count);
        }
        (len..=len + SLACK).contains(&count)
    }
}

/// The messages that a consumer has at the moment. Fewer come if some of them are gone meanwhile.
async fn read(consumer: &EphemeralConsumer) -> Result<Vec<(u64, jetstream::Message)>, Error> {
    let pending = usize::try_from(consumer.pull.cached_info().num_pending)?;
    let mut read = Vec::new();
    while read.len() < pending {
        let before = read.len();
        let mut batch = consumer.pull.fetch().max_messages(BATCH.min(pending - before)).messages().await?;
        // The client would wait for ever. An error begins all of it anew.
        while let Some(message) = timeout(REQUEST_TIMEOUT, batch.next()).await? {
            let message = message?;
            let offset = message.info()?.stream_sequence;
            read.push((offset, message));
        }
        if read.len() == before {
            break;
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many guesses it takes, in a stream in which these are the topic's places.
    #[track_caller]
    fn check(places: &[u64], end: u64, len: u64, at_most: u32) {
        let behind = |sequence: u64| (places.len() - places.partition_point(|one| *one < sequence)) as u64;
        let mut range = SearchRange::new((1, behind(1)), end);
        let mut found = None;
        while let Some(sequence) = range.guess(len) {
            found = Some(behind(sequence));
            if range.narrow(sequence, behind(sequence), len) {
                break;
            }
        }
        let found = found.unwrap();
        assert!((len..=len + SLACK).contains(&found), "{found} for {len}");
        assert!(range.guesses <= at_most, "{} guesses", range.guesses);
    }

    #[test]
    fn beginning_is_found_soon() {
        let even: Vec<u64> = (1..=100_000).map(|number| number * 7).collect();
        check(&even, 700_001, 50, 1);
        check(&even, 700_001, 99_000, 1);
        check(&even, 1 << 40, 50, 60);
        // Much at the end, and much at the beginning.
        let late: Vec<u64> = (0..100_000).map(|number| 500_000_000_000 + number).collect();
        check(&late, 500_000_100_000, 50, 60);
        let early: Vec<u64> = (1..=100_000).chain([90_000_000, 99_999_999]).collect();
        check(&early, 100_000_000, 50, 30);
        // The numbers of a stream do not end.
        check(&early, u64::MAX, 50, 100);
        let bursts: Vec<u64> = (0..100)
            .flat_map(|burst| (1..1000).map(move |number| burst * burst * 10_000_000 + number))
            .collect();
        check(&bursts, 100_000_000_000, 50, 60);
        check(&bursts, 100_000_000_000, 5000, 60);
    }

    #[test]
    fn counts_that_change_meanwhile_end_it_too() {
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
