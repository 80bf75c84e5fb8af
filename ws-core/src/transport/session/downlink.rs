//! The frames for the client, kept until the client has acknowledged their messages.

mod fifo;
mod header;
mod replay_buffer;

use replay_buffer::ReplayBuffer;

/// The frames that the client has not acknowledged, in order, and how far they are written to its stream.
///
/// The engine's frames go in with [`push`](Self::push). They are divided into *entries*: one for each message
/// with all its fragments, and one for each control frame between messages. An acknowledgement removes entries at
/// the front. A new stream begins at the front again.
#[derive(Debug)]
pub(super) struct Downlink {
    /// `None` while all frames are acknowledged, so that an idle session has no buffer.
    buffer: Option<Box<ReplayBuffer>>,
    /// The number of the last message that the client has acknowledged, or that is kept no longer.
    acked: u64,
    /// The number of the last message that is completely written to the current stream, and to any stream.
    sent: u64,
    highest_sent: u64,
    limit: usize,
}

impl Downlink {
    pub(super) fn new(limit: usize) -> Self {
        Self { buffer: None, acked: 0, sent: 0, highest_sent: 0, limit }
    }

    /// Takes bytes of the engine's frames, as many as the limit allows. Returns their number.
    pub(super) fn push(&mut self, input: &[u8]) -> usize {
        let limit = self.limit;
        let taken = self.buffer().push(input, limit);
        self.count_sent();
        taken
    }

    /// Like [`push`](Self::push), but takes whole frames only, and begins none beyond the limit. The input has to be
    /// whole frames.
    #[cfg(feature = "client")]
    pub(super) fn push_frames(&mut self, input: &[u8]) -> usize {
        let mut taken = 0;
        while taken < input.len() && self.has_room() {
            let end = input.len().min(taken + header::frame_size(&input[taken..]));
            self.buffer().push(&input[taken..end], usize::MAX);
            taken = end;
        }
        self.count_sent();
        taken
    }

    /// Returns whether [`push_frames`](Self::push_frames) takes another frame. A message that has begun goes on beyond the
    /// limit, as far as it is written: until its end, no acknowledgement of this side can follow.
    #[cfg(feature = "client")]
    pub(super) fn has_room(&self) -> bool {
        let Some(buffer) = &self.buffer else { return true };
        buffer.room(self.limit) > 0 || (buffer.has_open_message() && buffer.unwritten < self.limit)
    }

    /// Like [`push`](Self::push), but only if `input` is a whole message in one short frame, and everything before is
    /// [sent](Self::is_sent). Returns whether `input` is taken.
    ///
    /// Afterwards, [`on_short_sent`](Self::on_short_sent) or [`on_short_partly_sent`](Self::on_short_partly_sent) has
    /// to be called.
    // PERF: most writes are one short reply. General path: `push`. budget: session64
    #[inline(always)]
    pub(super) fn push_short(&mut self, input: &[u8]) -> bool {
        let limit = self.limit;
        self.buffer().push_short(input, limit)
    }

    /// Returns at least the number of the last message that the next write completes.
    pub(super) fn sent_after_write(&self) -> u64 {
        let unwritten = self.buffer.as_ref().map_or(0, |buffer| buffer.unwritten_entries as u64);
        self.highest_sent.max(self.sent + unwritten)
    }

    /// Like [`sent_after_write`](Self::sent_after_write), for the message that `push_short` has taken.
    // PERF: see `push_short`. General path: `sent_after_write`. budget: session64
    #[inline(always)]
    pub(super) fn next_short(&self) -> u64 {
        // Everything before is sent.
        debug_assert_eq!(self.sent, self.highest_sent);
        self.sent + 1
    }

    /// Handles a write of the whole message that [`push_short`](Self::push_short) has taken.
    // PERF: see `push_short`. General path: `on_sent`. budget: session64
    #[inline(always)]
    pub(super) fn on_short_sent(&mut self) {
        self.sent += 1;
        self.highest_sent = self.sent;
    }

    /// Handles a write of the first `len` bytes of that message.
    pub(super) fn on_short_partly_sent(&mut self, len: usize) {
        if let Some(buffer) = &mut self.buffer {
            buffer.unwrite_last();
        }
        self.on_sent(len);
    }

    // PERF: the buffer is there for all messages but the first after an acknowledgement. budget: session64
    #[inline(always)]
    fn buffer(&mut self) -> &mut ReplayBuffer {
        self.buffer.get_or_insert_with(ReplayBuffer::take_spare)
    }

    /// Returns bytes to write next. Bytes after the end of a message only follow if `may_end_message`.
    pub(super) fn unsent(&self, may_end_message: bool) -> &[u8] {
        self.buffer.as_ref().map_or(&[], |buffer| buffer.unsent(may_end_message))
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.buffer.as_ref().is_some_and(|buffer| buffer.unwritten > 0)
    }

    /// Returns whether all bytes are written, and end with a message or a control frame.
    pub(super) fn is_sent(&self) -> bool {
        self.buffer.as_ref().is_none_or(|buffer| buffer.is_written())
    }

    /// Returns whether the bytes that are written end with a message, so that another one can follow.
    pub(super) fn is_between_messages(&self) -> bool {
        self.buffer.as_ref().is_none_or(|buffer| buffer.written_in_entry == 0)
    }

    /// Handles a write of `len` bytes of [`unsent`](Self::unsent).
    pub(super) fn on_sent(&mut self, len: usize) {
        let Some(buffer) = &mut self.buffer else { return };
        buffer.unwritten -= len;
        buffer.written_in_entry += len;
        buffer.finish_written_entries();
        self.count_sent();
        self.remove_sent_control_frames();
    }

    fn count_sent(&mut self) {
        if let Some(buffer) = &mut self.buffer {
            self.sent += std::mem::take(&mut buffer.newly_sent);
            self.highest_sent = self.highest_sent.max(self.sent);
        }
    }

    /// Removes the messages up to number `received`. An older number changes nothing. Returns false for a message
    /// that was not written.
    pub(super) fn acknowledge(&mut self, received: u64) -> bool {
        if received > self.sent {
            return false;
        }
        if let Some(buffer) = &mut self.buffer {
            if received == self.sent && buffer.is_written() {
                // PERF: most acknowledgements are of all messages. General path: `remove_messages`. The test
                // `every_message_arrives_once_and_in_order` holds the two equal. budget: session64
                buffer.remove_all();
                self.acked = received;
            } else {
                self.acked += buffer.remove_messages(received.saturating_sub(self.acked));
            }
        }
        self.remove_sent_control_frames();
        true
    }

    /// Removes the oldest messages that are written, until there is room for half of the limit. The session then
    /// cannot be resumed by a client that lacks them.
    pub(super) fn evict_sent(&mut self) {
        while self.buffer.as_ref().is_some_and(|buffer| buffer.bytes.len() > self.limit / 2)
            && self.remove_first()
        {}
        self.remove_sent_control_frames();
    }

    /// Removes the first entry. Returns false if none is written.
    fn remove_first(&mut self) -> bool {
        let removed = self.buffer.as_mut().and_then(|buffer| buffer.remove_first());
        self.acked += removed.map_or(0, |entry| u64::from(entry.is_message()));
        removed.is_some()
    }

    /// Removes control frames at the front that are written, and the buffer if nothing is left. The close frame may have
    /// to be sent again.
    fn remove_sent_control_frames(&mut self) {
        while self.buffer.as_ref().is_some_and(|buffer| buffer.begins_with_ping_or_pong())
            && self.remove_first()
        {}
        if let Some(buffer) = self.buffer.take_if(|buffer| buffer.is_idle()) {
            buffer.return_spare();
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
        while let Some(buffer) = &mut self.buffer
            && (self.acked < received || buffer.begins_with_ping_or_pong())
        {
            buffer.skip_first();
            if !self.remove_first() {
                break;
            }
        }
        self.sent = self.acked;
        if let Some(buffer) = &mut self.buffer {
            buffer.rewind();
        }
        self.remove_sent_control_frames();
        true
    }

    /// Returns the bytes of messages that are kept.
    pub(super) fn limit(&self) -> usize {
        self.limit
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
