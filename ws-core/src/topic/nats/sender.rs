//! The numbers of the messages that this process sends to one subject.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_nats::Subject;
use tokio::time::Instant;

use super::sequence::{Audience, Base, MessageId, Stamp};
use crate::sync::lock;

/// How long a sender without a topic keeps its numbers. The client gives up a connection after 30 seconds
/// without an answer, so messages that are older have arrived, or the connection was lost since. A server
/// writes to its disk every two minutes by default; until then, it may lose what it has acknowledged.
const RETENTION: Duration = Duration::from_mins(3);

/// Maximum number of senders without a topic that a queue keeps.
const MAX_RETAINED: usize = 16 * 1024;

/// Numbers senders of this process. A number is never used again.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Returns the subject of a topic without a history, given the encoded name.
pub(super) fn core_subject(token: &str) -> Subject {
    format!("ws.t.{token}").into()
}

/// The sender of this process to one subject. All handles of a topic share it, and it outlives them.
pub(super) struct Sender {
    node: u64,
    id: u64,
    pub(super) subject: Subject,
    state: Mutex<SenderState>,
}

pub(super) struct SenderState {
    /// Number of the last message.
    pub(super) last: u64,
    /// See [`Base`].
    base: Base,
    /// Number of the last message or mark that was stored: all numbers up to it are accounted for.
    stored: u64,
    /// Number of the last message that was sent, to a history.
    sent: u64,
    /// The first message was sent, so the start of the sender is fixed.
    has_begun: bool,
    /// Number of the last message that was given up.
    lost: u64,
    /// Number of the last message at `checked_at`, which becomes the base after [`RETENTION`] without a
    /// reconnect. Only for subjects without a history.
    checked: u64,
    checked_at: Instant,
    last_published: Instant,
}

impl Sender {
    pub(super) fn new(node: u64, subject: Subject, now: Instant) -> Self {
        Self {
            node,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            subject,
            state: Mutex::new(SenderState {
                last: 0,
                base: Base::default(),
                stored: 0,
                sent: 0,
                has_begun: false,
                lost: 0,
                checked: 0,
                checked_at: now,
                last_published: now,
            }),
        }
    }

    /// Returns a number that identifies the sender within this process.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SenderState> {
        lock(&self.state)
    }

    /// Returns the subject of a mark that the history does not store: the topic's without a history.
    pub(super) fn mark_subject(&self) -> Subject {
        core_subject(self.subject.rsplit('.').next().unwrap_or_default())
    }

    fn message_id(&self, sequence: u64, audience: Audience) -> MessageId {
        MessageId { node: self.node, topic_id: self.id, sequence, audience }
    }

    /// Returns the headers of a message without a history. Only marks have a base there.
    pub(super) fn core_stamp(&self, sequence: u64, audience: Audience) -> Stamp {
        let base = (audience == Audience::Mark).then(|| self.lock().base);
        Stamp { id: self.message_id(sequence, audience), base, is_repeated: false }
    }

    /// Returns the headers of a message of a history that is sent for the first time.
    pub(super) fn history_stamp(&self, sequence: u64, audience: Audience) -> Stamp {
        let base = Some(self.lock().base);
        Stamp { id: self.message_id(sequence, audience), base, is_repeated: false }
    }

    /// Sets the offset after which the first message will be stored. Called before that message is sent.
    pub(super) fn begin_after(&self, offset: u64) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.has_begun, true) {
            state.base.offset = offset;
        }
    }

    /// Records that a message is sent to a history.
    pub(super) fn sent(&self, number: u64) {
        let mut state = self.lock();
        state.sent = state.sent.max(number);
    }

    /// Records that a message or a mark was stored.
    ///
    /// Later messages than one that `is_repeated` may be stored before it. Then it does not become the [`Base`].
    pub(super) fn stored(&self, number: u64, offset: u64, is_repeated: bool) {
        let mut state = self.lock();
        let is_base = !is_repeated || number >= state.sent;
        if is_base && number > state.base.number {
            state.base = Base { number, offset };
        }
        state.stored = state.stored.max(number);
    }

    /// Returns whether this number or a later one is stored. The message is then accounted for.
    pub(super) fn is_overtaken(&self, number: u64) -> bool {
        self.lock().stored >= number
    }

    /// Records that a message was given up.
    pub(super) fn given_up(&self, number: u64) {
        let mut state = self.lock();
        state.lost = state.lost.max(number);
    }

    /// Records that the history may have lost messages that were stored. Returns whether a mark is needed.
    pub(super) fn history_lost_end(&self) -> bool {
        let mut state = self.lock();
        // A mark with the last number reports the loss to those that have not received the messages.
        (state.base, state.stored, state.lost) = (Base::default(), 0, state.last);
        state.last > 0
    }

    /// Returns the number of a lost message that no stored message or mark reports yet.
    pub(super) fn unreported_loss(&self) -> Option<u64> {
        let state = self.lock();
        (state.lost > state.stored).then_some(state.lost)
    }

    /// Records a reconnect. Returns the number that a mark reports, if messages were sent before.
    pub(super) fn reconnected(&self, now: Instant) -> Option<u64> {
        let mut state = self.lock();
        (state.checked, state.checked_at) = (state.last, now);
        (state.last > 0).then_some(state.last)
    }

    /// Returns whether the sender may be forgotten: all its messages have arrived or are accounted for.
    fn is_finished(&self, has_history: bool, now: Instant) -> bool {
        let state = self.lock();
        let is_settled = !has_history || state.stored >= state.last;
        is_settled && now.duration_since(state.last_published) >= RETENTION
    }
}

impl SenderState {
    /// Records a message that was queued with the number `last + 1`.
    pub(super) fn published(&mut self, has_history: bool, now: Instant) {
        if !has_history && now.duration_since(self.checked_at) >= RETENTION {
            self.base.number = self.checked;
            (self.checked, self.checked_at) = (self.last, now);
        }
        self.last += 1;
        self.last_published = now;
    }
}

/// The senders of one queue.
pub(super) struct Senders {
    has_history: bool,
    by_subject: Mutex<SenderTable>,
}

#[derive(Default)]
struct SenderTable {
    senders: HashMap<String, Arc<Sender>>,
    /// Number of senders at which finished ones are removed.
    sweep_at: usize,
}

impl Senders {
    pub(super) fn new(has_history: bool) -> Self {
        Self { has_history, by_subject: Mutex::default() }
    }

    /// Returns the sender to a subject. A sender without a topic is kept as long as its messages may be on
    /// their way, so that the next topic of that name continues its numbers.
    pub(super) fn get(&self, node: u64, subject: &Subject, now: Instant) -> Arc<Sender> {
        let mut table = lock(&self.by_subject);
        if let Some(sender) = table.senders.get(subject.as_str()) {
            return Arc::clone(sender);
        }
        if table.senders.len() >= table.sweep_at {
            table.sweep(self.has_history, now);
        }
        let sender = Arc::new(Sender::new(node, subject.clone(), now));
        table.senders.insert(subject.to_string(), Arc::clone(&sender));
        sender
    }

    /// Returns all senders.
    pub(super) fn all(&self) -> Vec<Arc<Sender>> {
        lock(&self.by_subject).senders.values().map(Arc::clone).collect()
    }
}

impl SenderTable {
    /// Removes senders without a topic that are finished, and the oldest ones if too many remain.
    fn sweep(&mut self, has_history: bool, now: Instant) {
        let is_used = |sender: &Arc<Sender>| Arc::strong_count(sender) > 1;
        self.senders.retain(|_, sender| is_used(sender) || !sender.is_finished(has_history, now));
        let unused = self.senders.iter().filter(|(_, sender)| !is_used(sender));
        let mut unused: Vec<_> =
            unused.map(|(subject, sender)| (sender.lock().last_published, subject.clone())).collect();
        if unused.len() > MAX_RETAINED / 2 {
            unused.sort_unstable_by_key(|(at, _)| *at);
            for (_, subject) in &unused[..unused.len() - MAX_RETAINED / 2] {
                self.senders.remove(subject);
            }
        }
        // A sweep costs as much as the table is large, so the next one follows as many insertions.
        self.sweep_at = (2 * self.senders.len()).clamp(64, self.senders.len() + MAX_RETAINED / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(sender: &Sender, now: Instant) {
        sender.lock().published(false, now);
    }

    #[test]
    fn numbers_outlive_handles_until_messages_have_arrived() {
        let now = Instant::now();
        let senders = Senders::new(false);
        let sender = senders.get(1, &"a".into(), now);
        let id = sender.id();
        publish(&sender, now);
        drop(sender);
        for other in 0..200 {
            senders.get(1, &format!("{other}").into(), now);
        }
        assert_eq!(senders.get(1, &"a".into(), now).id(), id);
        assert_eq!(senders.get(1, &"a".into(), now).reconnected(now), Some(1));
        let later = now + RETENTION;
        for other in 200..800 {
            senders.get(1, &format!("{other}").into(), later);
        }
        assert_ne!(senders.get(1, &"a".into(), later).id(), id);
    }

    #[test]
    fn start_of_a_sender_is_fixed_by_its_first_message() {
        let sender = Sender::new(1, "a".into(), Instant::now());
        let base = || sender.history_stamp(1, Audience::All).base.unwrap();
        sender.begin_after(0);
        // The first message may be stored up to here.
        sender.begin_after(9);
        assert_eq!(base(), Base::default());
        sender.stored(1, 5, false);
        assert_eq!(base(), Base { number: 1, offset: 5 });
    }

    #[test]
    fn message_that_was_sent_again_is_no_base_of_those_sent_before() {
        let sender = Sender::new(1, "a".into(), Instant::now());
        let base = || sender.history_stamp(1, Audience::All).base.unwrap();
        [1, 2].iter().for_each(|number| sender.sent(*number));
        // Message 2 may be stored at offset 1.
        sender.stored(1, 2, true);
        assert_eq!(base(), Base::default());
        assert!(sender.is_overtaken(1));
        sender.stored(2, 1, true);
        assert_eq!(base(), Base { number: 2, offset: 1 });
    }

    #[test]
    fn unused_senders_are_bounded() {
        let now = Instant::now();
        let senders = Senders::new(true);
        let used = senders.get(1, &"used".into(), now);
        for other in 0..3 * MAX_RETAINED {
            // Not settled, because no message is stored.
            senders.get(1, &format!("{other}").into(), now).lock().published(true, now);
        }
        assert!(senders.all().len() <= 2 * MAX_RETAINED, "{}", senders.all().len());
        assert_eq!(senders.get(1, &"used".into(), now).id(), used.id());
    }

    #[test]
    fn base_without_a_history_is_older_than_a_connection_can_be_silent() {
        let now = Instant::now();
        let sender = Sender::new(1, "a".into(), now);
        let base = || sender.core_stamp(9, Audience::Mark).base.unwrap().number;
        publish(&sender, now);
        publish(&sender, now + RETENTION);
        assert_eq!(base(), 0);
        publish(&sender, now + 2 * RETENTION);
        assert_eq!(base(), 1);
        // Messages before a reconnect are reported for another while.
        sender.reconnected(now + 4 * RETENTION);
        publish(&sender, now + 4 * RETENTION);
        assert_eq!(base(), 1);
    }
}
