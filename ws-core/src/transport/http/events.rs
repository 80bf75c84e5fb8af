//! Server-sent events (WHATWG HTML §9.2): an event of text, written in parts.

/// A comment, which clients ignore and which shows proxies that the response is alive.
pub(super) const COMMENT: &[u8] = b":\n\n";

/// A writer of text as the `data` of events.
///
/// A `data` line cannot contain a line break, so each line of the text becomes one; a client joins them with a
/// line feed. CR, LF and CRLF are line breaks, as in Bullet.
#[derive(Debug, Default)]
pub(super) struct EventWriter {
    is_in_event: bool,
    /// Whether the text so far ends with a CR, of which a following LF is a part.
    after_cr: bool,
}

impl EventWriter {
    /// Returns whether an event has begun and not ended.
    pub(super) fn is_in_event(&self) -> bool {
        self.is_in_event
    }

    /// Appends a part of an event to `out`. `ends` is whether the part is the event's last one.
    pub(super) fn write(&mut self, text: &[u8], ends: bool, out: &mut Vec<u8>) {
        if !self.is_in_event {
            (self.is_in_event, self.after_cr) = (true, false);
            out.extend_from_slice(b"data: ");
        }
        for &byte in text {
            let completes_crlf = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                _ if completes_crlf => {}
                b'\r' | b'\n' => out.extend_from_slice(b"\ndata: "),
                byte => out.push(byte),
            }
        }
        if ends {
            out.extend_from_slice(b"\n\n");
            self.is_in_event = false;
        }
    }
}

/// Appends a field of an event with one line.
#[cfg(feature = "session")]
pub(super) fn write_field(name: &str, value: &str, out: &mut Vec<u8>) {
    for part in [name, ": ", value, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}
