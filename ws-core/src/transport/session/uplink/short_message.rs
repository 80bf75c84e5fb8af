//! Short messages, which most reads are. They are only counted.

use super::{PassedMessage, Uplink};

impl Uplink {
    /// Returns whether no frame and no message is incomplete, and no bytes are stored.
    #[inline]
    pub(in super::super) fn is_between_messages(&self) -> bool {
        self.frame.is_none()
            && self.message == PassedMessage::None
            && self.held_len == 0
            && self.rare.is_none()
            && !self.is_raw
    }

    /// Passes the whole, short messages at the front that are not control objects. Returns their length in bytes.
    pub(super) fn pass_short(&mut self, input: &[u8]) -> usize {
        let mut remaining = input;
        while let [_, second @ 0x80..=0xfd, ..] = remaining
            && let Some((message, after)) = remaining.split_at_checked(6 + usize::from(second & 0x7f))
            && Self::is_short_message(message)
        {
            remaining = after;
            self.on_short_message();
        }
        input.len() - remaining.len()
    }

    /// Returns whether a read is a whole message in one short frame, and not a control object.
    // PERF: most reads are such a message, which is then only counted. General path: `process`. The test
    // `cuts_make_no_difference` holds the two equal, because it cuts messages in all ways. budget: session64
    #[inline(always)]
    pub(in super::super) fn is_short_message(input: &[u8]) -> bool {
        let [first @ (0x81 | 0x82), second @ 0x80..=0xfd, key, _, _, _, payload @ ..] = input else {
            return false;
        };
        // A text that begins with U+0000, masked, begins with the first byte of the key.
        payload.len() + 0x80 == usize::from(*second) && !(*first == 0x81 && payload.first() == Some(key))
    }

    /// Counts a [short message](Self::is_short_message). The uplink has to be
    /// [between messages](Self::is_between_messages).
    // PERF: see `is_short_message`. budget: session64
    #[inline(always)]
    pub(in super::super) fn on_short_message(&mut self) {
        debug_assert!(self.is_between_messages() && self.incomplete == 0);
        self.received += 1;
    }
}
