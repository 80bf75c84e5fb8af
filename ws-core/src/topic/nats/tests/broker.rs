//! A history stream with faults.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_nats::Error;
use bytes::Bytes;

use crate::sync::lock;
use crate::topic::nats::accounting::{HistoryReader, StoredMessage};
use crate::topic::nats::epoch::{StreamEnd, StreamTimes};
use crate::topic::nats::publish_window::PublishOutcome;
use crate::topic::nats::sequence::Stamp;

/// Length of the simulated history.
pub(super) const LEN: usize = 12;

/// A stream that stores the messages of one topic, and counts those of others.
pub(super) struct Broker {
    pub(super) epoch: u64,
    pub(super) messages: Vec<(u64, Stamp, Bytes)>,
    /// How many messages of the topic follow the first one in a full stream. `None` without a limit.
    pub(super) stream_len: Option<usize>,
    /// Offsets of other topics' messages.
    others: Vec<u64>,
    pub(super) last: u64,
    /// Offset of each message that was stored, by its identity.
    ids: HashMap<String, u64>,
    /// When the message at an offset was stored, also of those that are discarded.
    stored_at: BTreeMap<u64, u64>,
    /// Number of messages stored so far, which is the time.
    clock: u64,
    /// No room for another message.
    pub(super) is_full: bool,
    /// No server leads the stream.
    pub(super) has_no_leader: bool,
    pub(super) next_epoch: u64,
    /// The stream has lost the messages after this offset, and no process has noticed.
    pub(super) lost_after: Option<u64>,
}

impl Broker {
    pub(super) fn new(stream_len: Option<usize>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            stream_len,
            epoch: 1,
            messages: Vec::new(),
            others: Vec::new(),
            last: 0,
            ids: HashMap::new(),
            stored_at: BTreeMap::new(),
            clock: 0,
            is_full: false,
            has_no_leader: false,
            next_epoch: 2,
            lost_after: None,
        }))
    }

    pub(super) fn first(&self) -> u64 {
        let first = self.messages.first().map(|(offset, ..)| *offset);
        first.into_iter().chain(self.others.first().copied()).min().unwrap_or(self.last + 1)
    }

    pub(super) fn store(&mut self, stamp: &Stamp, payload: &Bytes) -> PublishOutcome {
        if self.has_no_leader {
            return PublishOutcome::Failed;
        }
        if self.is_full {
            return PublishOutcome::Refused;
        }
        // The message passes through the headers, as on the wire.
        let headers = stamp.history_headers();
        let id = headers.get("Nats-Msg-Id").unwrap().to_string();
        if let Some(offset) = self.ids.get(&id) {
            return PublishOutcome::Stored { offset: *offset, is_duplicate: true };
        }
        let is_stored = self.messages.iter().any(|(_, other, _)| other.id == stamp.id);
        assert!(!is_stored, "{:?} is stored twice", stamp.id);
        self.advance();
        self.ids.insert(id, self.last);
        let stamp = Stamp::from_headers(Some(&headers)).unwrap();
        self.messages.push((self.last, stamp, payload.clone()));
        if self.stream_len.is_some_and(|len| self.messages.len() > len + 1) {
            self.messages.remove(0);
        }
        PublishOutcome::Stored { offset: self.last, is_duplicate: false }
    }

    fn advance(&mut self) {
        (self.last, self.clock) = (self.last + 1, self.clock + 1);
        self.stored_at.insert(self.last, self.clock);
    }

    /// Returns the last message.
    pub(super) fn end(&self) -> StreamEnd {
        let stored_at = self.stored_at.get(&self.last).copied().unwrap_or_default();
        StreamEnd { epoch: self.epoch, offset: self.last, stored_at }
    }

    /// Returns the message at an offset.
    pub(super) fn at(&self, offset: u64) -> StreamEnd {
        StreamEnd { epoch: self.epoch, offset, stored_at: self.stored_at[&offset] }
    }

    fn has(&self, offset: u64) -> bool {
        self.others.contains(&offset) || self.messages.iter().any(|(at, ..)| *at == offset)
    }

    pub(super) fn store_other(&mut self) {
        self.advance();
        self.others.push(self.last);
        if self.others.len() > 3 {
            self.others.remove(1);
        }
    }

    /// Loses the last messages and their identities, as a server whose disk has an older state.
    pub(super) fn lose_end(&mut self, len: u64) {
        self.last = self.last.saturating_sub(len);
        let last = self.last;
        self.lost_after = Some(self.lost_after.map_or(last, |before| before.min(last)));
        self.messages.retain(|(offset, ..)| *offset <= last);
        self.others.retain(|offset| *offset <= last);
        self.stored_at.retain(|offset, _| *offset <= last);
        self.ids.retain(|_, offset| *offset <= last);
    }

    /// Deletes the stream and creates it again.
    pub(super) fn recreate(&mut self) {
        self.lose_end(u64::MAX);
        self.renew_epoch(self.epoch);
    }

    pub(super) fn renew_epoch(&mut self, old: u64) {
        if self.epoch == old {
            self.lost_after = None;
            self.epoch = self.next_epoch;
            self.next_epoch += 1;
        }
    }

    /// Returns the first message from an offset on.
    pub(super) fn next_from(&self, offset: u64) -> Option<(u64, Stamp, Bytes)> {
        self.messages.iter().find(|(at, ..)| *at >= offset).cloned()
    }

    /// Returns the number of messages from an offset on.
    pub(super) fn len_from(&self, offset: u64) -> u64 {
        self.messages.iter().filter(|(at, ..)| *at >= offset).count() as u64
    }

    /// Returns the offset of the message that follows `skipped` others from an offset on. `None` if none is
    /// skipped.
    pub(super) fn nth_from(&self, offset: u64, skipped: u64) -> Option<u64> {
        let mut messages = self.messages.iter().filter(|(at, ..)| *at >= offset);
        messages.nth(usize::try_from(skipped).ok().filter(|skipped| *skipped > 0)?).map(|(at, ..)| *at)
    }
}

impl StreamTimes for Broker {
    async fn stored_at(&self, offset: u64) -> Result<Option<u64>, Error> {
        Ok(self.stored_at.get(&offset).copied().filter(|_| self.has(offset)))
    }

    async fn first_after(&self, stored_at: u64) -> Result<Option<u64>, Error> {
        let mut later = self.stored_at.iter().filter(|(offset, at)| **at > stored_at && self.has(**offset));
        Ok(later.next().map(|(offset, _)| *offset))
    }
}

/// A reader of a broker that does not change meanwhile.
pub(super) struct BrokerReader(pub(super) Arc<Mutex<Broker>>);

impl BrokerReader {
    fn all_from(&self, offset: u64) -> Vec<StoredMessage<Bytes>> {
        let broker = lock(&self.0);
        let messages = broker.messages.iter().filter(|(at, ..)| *at >= offset);
        messages.map(|(at, stamp, payload)| (*at, Some(*stamp), payload.clone())).collect()
    }
}

impl HistoryReader for BrokerReader {
    type Message = Bytes;

    async fn read_from(&self, offset: u64, limit: u64) -> Result<Option<Vec<StoredMessage<Bytes>>>, Error> {
        let messages = self.all_from(offset);
        assert!(limit <= LEN as u64 + 1, "{limit} messages are read at once");
        Ok((messages.len() as u64 <= limit).then_some(messages))
    }

    async fn read_first(&self, offset: u64, len: u64) -> Result<Vec<StoredMessage<Bytes>>, Error> {
        assert!(len <= LEN as u64 + 1, "{len} messages are read at once");
        let mut messages = self.all_from(offset);
        messages.truncate(usize::try_from(len)?);
        Ok(messages)
    }

    async fn has_other_topic_at(&self, offset: u64) -> Result<bool, Error> {
        Ok(lock(&self.0).others.contains(&offset))
    }

    fn first_offset(&self) -> u64 {
        lock(&self.0).first()
    }

    fn max_len(&self) -> usize {
        lock(&self.0).stream_len.map_or(LEN, |len| len.min(LEN))
    }
}
