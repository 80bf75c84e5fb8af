//! The frames for the client, kept until the client has acknowledged their messages.

mod ring;

use ring::Ring;

/// The frames that the client has not acknowledged, in order, and how far they are written to its stream.
///
/// The engine's frames go in with [`push`](Self::push). They are divided into *entries*: one for each message
/// with all its fragments, and one for each control frame between messages. An acknowledgement removes entries at
/// the front. A new stream begins at the front again.
#[derive(Debug)]
pub(super) struct Downlink {
    /// `None` while all frames are acknowledged, so that an idle session has no buffer.
    ring: Option<Box<Ring>>,
    /// The number of the last message that the client has acknowledged, or that is kept no longer.
    acked: u64,
    /// The number of the last message that is completely written to the current stream, and to any stream.
    sent: u64,
    highest_sent: u64,
    limit: usize,
}

impl Downlink {
    pub(super) fn new(limit: usize) -> Self {
        Self { ring: None, acked: 0, sent: 0, highest_sent: 0, limit }
    }

    /// Takes bytes of the engine's frames, as many as the limit allows. Returns their number.
    pub(super) fn push(&mut self, input: &[u8]) -> usize {
        let ring = self.ring.get_or_insert_with(|| Box::new(Ring::new()));
        if ring.push_short(input, self.limit) {
            return input.len();
        }
        let taken = ring.push(input, self.limit);
        self.count_sent();
        taken
    }

    /// Returns bytes to write next. Bytes after the end of a message only follow if `may_end_message`.
    pub(super) fn unsent(&self, may_end_message: bool) -> &[u8] {
        self.ring.as_ref().map_or(&[], |ring| ring.unsent(may_end_message))
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.written < ring.bytes.len())
    }

    /// Returns whether the bytes that are written end with a message, so that another one can follow.
    pub(super) fn is_between_messages(&self) -> bool {
        self.ring.as_ref().is_none_or(|ring| ring.written_in_entry == 0)
    }

    /// Handles a write of `len` bytes of [`unsent`](Self::unsent).
    pub(super) fn on_sent(&mut self, len: usize) {
        let Some(ring) = &mut self.ring else { return };
        ring.written += len;
        ring.written_in_entry += len;
        ring.finish_written_entries();
        self.count_sent();
        self.remove_sent_control_frames();
    }

    fn count_sent(&mut self) {
        if let Some(ring) = &mut self.ring {
            self.sent += std::mem::take(&mut ring.newly_sent);
            self.highest_sent = self.highest_sent.max(self.sent);
        }
    }

    /// Removes the messages up to number `received`. An older number changes nothing. Returns false for a message
    /// that was not written.
    pub(super) fn acknowledge(&mut self, received: u64) -> bool {
        if received > self.sent {
            return false;
        }
        if let Some(ring) = &mut self.ring {
            self.acked += ring.remove_messages(received.saturating_sub(self.acked));
        }
        self.remove_sent_control_frames();
        true
    }

    /// Removes the oldest messages that are written, until there is room for half of the limit. The session then
    /// cannot be resumed by a client that lacks them.
    pub(super) fn evict_sent(&mut self) {
        while self.ring.as_ref().is_some_and(|ring| ring.bytes.len() > self.limit / 2) && self.remove_first()
        {
        }
        self.remove_sent_control_frames();
    }

    /// Removes the first entry. Returns false if none is written.
    fn remove_first(&mut self) -> bool {
        let removed = self.ring.as_mut().and_then(|ring| ring.remove_first());
        self.acked += removed.map_or(0, |entry| u64::from(entry.is_message()));
        removed.is_some()
    }

    /// Removes control frames at the front that are written, and the ring if nothing is left. The close frame may have
    /// to be sent again.
    fn remove_sent_control_frames(&mut self) {
        while self.ring.as_ref().is_some_and(|ring| ring.begins_with_ping_or_pong()) && self.remove_first() {}
        if self.ring.as_ref().is_some_and(|ring| ring.is_idle()) {
            self.ring = None;
        }
    }

    /// Returns whether a client that has the messages up to `received` can be sent all later ones.
    pub(super) fn keeps(&self, received: u64) -> bool {
        (self.acked..=self.highest_sent).contains(&received)
    }

    /// Begins a new stream, to a client that has the messages up to `received`. Returns false if later ones are
    /// not kept.
    pub(super) fn rewind(&mut self, received: u64) -> bool {
        if !self.keeps(received) {
            return false;
        }
        // The entries that the client has are removed as if they had just been written. Pings and pongs were
        // for the earlier stream.
        while let Some(ring) = &mut self.ring
            && (self.acked < received || ring.begins_with_ping_or_pong())
        {
            ring.skip_first();
            if !self.remove_first() {
                break;
            }
        }
        self.sent = self.acked;
        if let Some(ring) = &mut self.ring {
            ring.rewind();
        }
        self.remove_sent_control_frames();
        true
    }

    /// Returns the number of the last acknowledged message.
    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    /// Returns the number of the last message that was written completely to any stream.
    pub(super) fn highest_sent(&self) -> u64 {
        self.highest_sent
    }
}

#[cfg(test)]
mod tests;
