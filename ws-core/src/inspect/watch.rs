//! The messages of one connection, from its tap to the page.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use super::message::{InspectedMessage, ShowMessage, Shown};
use super::protocol::{MessageRow, WatchedMessages};
use super::search::cut;
use crate::address::Recipient;
use crate::message::MessageKind;
use crate::panic::catch;
use crate::sync::lock;
use crate::wire::{Direction, MessageTap, TappedMessage};

/// The largest payload that is copied, in bytes.
pub(super) const MAX_COPIED: usize = 64 << 10;

/// The most messages that wait for a page, and the most bytes of their payloads.
pub(super) const MAX_WAITING: usize = 64;
const MAX_WAITING_BYTES: usize = 1 << 20;

/// The bytes of a text, and of a binary payload, that a page gets.
pub(super) const MAX_TEXT: usize = 1024;
pub(super) const MAX_BINARY: usize = 256;

/// The message to a page that messages of the watched connection wait.
pub(super) struct Watched;

/// The messages of a connection that wait for a page.
pub(super) struct Watch {
    /// The number of the connection.
    pub(super) id: u64,
    handler: &'static str,
    page: Recipient<Watched>,
    waiting: Mutex<Waiting>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Copied>,
    bytes: usize,
    /// Whether the page was told that messages wait.
    is_announced: bool,
    is_ended: bool,
}

/// A copy of a message.
struct Copied {
    time: u64,
    direction: Direction,
    kind: MessageKind,
    is_part: bool,
    len: usize,
    /// `None` if the payload is too large.
    payload: Option<Vec<u8>>,
}

impl Watch {
    pub(super) fn new(id: u64, handler: &'static str, page: Recipient<Watched>) -> Arc<Self> {
        Arc::new(Self { id, handler, page, waiting: Mutex::default(), dropped: AtomicU64::new(0) })
    }

    /// Ends the watch. The connection removes the tap with its next message.
    pub(super) fn end(&self) {
        let mut waiting = lock(&self.waiting);
        *waiting = Waiting { is_ended: true, ..Waiting::default() };
    }

    /// Takes the messages that wait, as the page may see them.
    pub(super) fn take(&self, show: &ShowMessage) -> WatchedMessages {
        let messages = {
            let mut waiting = lock(&self.waiting);
            waiting.bytes = 0;
            waiting.is_announced = false;
            std::mem::take(&mut waiting.messages)
        };
        let items = messages.into_iter().map(|message| self.row(&message, show)).collect();
        WatchedMessages { id: self.id, items, dropped: self.dropped.swap(0, Ordering::Relaxed) }
    }

    fn row(&self, message: &Copied, show: &ShowMessage) -> MessageRow {
        let Copied { direction, kind, is_part, .. } = *message;
        let payload = message.payload.as_deref();
        let shown = payload.map_or(Shown::Hidden, |payload| {
            let message = InspectedMessage { handler: self.handler, direction, kind, payload, is_part };
            catch(|| show(&message)).unwrap_or_else(|panic| {
                tracing::error!(panic = panic.into_text(), "the function of `Inspector::messages` panicked");
                Shown::Hidden
            })
        });
        let payload = payload.unwrap_or_default();
        let is_hex = shown == Shown::Whole && kind == MessageKind::Binary;
        let (content, is_cut) = match shown {
            Shown::Hidden => (None, false),
            Shown::Whole if is_hex => {
                let first = &payload[..payload.len().min(MAX_BINARY)];
                (Some(hex(first)), first.len() < payload.len())
            }
            Shown::Whole => shorten(&String::from_utf8_lossy(payload)),
            Shown::Text(text) => shorten(&text),
        };
        MessageRow {
            time: message.time,
            is_sent: direction == Direction::Sent,
            is_binary: kind == MessageKind::Binary,
            is_part,
            len: message.len,
            content,
            is_hex,
            is_cut,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

fn shorten(text: &str) -> (Option<String>, bool) {
    let first = cut(text, MAX_TEXT);
    (Some(first.to_owned()), first.len() < text.len())
}

/// Runs in the task of the watched connection, so it copies and does no more.
impl MessageTap for Watch {
    fn is_ended(&self) -> bool {
        lock(&self.waiting).is_ended
    }

    fn on_message(&self, message: &TappedMessage<'_>) -> bool {
        let mut waiting = lock(&self.waiting);
        if waiting.is_ended {
            return false;
        }
        let TappedMessage { direction, kind, payload, is_part } = *message;
        let len = payload.len();
        let copied = if len <= MAX_COPIED { len } else { 0 };
        if waiting.messages.len() >= MAX_WAITING || waiting.bytes + copied > MAX_WAITING_BYTES {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let time = u64::try_from(time).unwrap_or(u64::MAX);
        let payload = (len <= MAX_COPIED).then(|| payload.to_vec());
        waiting.messages.push_back(Copied { time, direction, kind, is_part, len, payload });
        waiting.bytes += copied;
        let is_announced = std::mem::replace(&mut waiting.is_announced, true);
        drop(waiting);
        if is_announced {
            return true;
        }
        match self.page.send(Watched) {
            Ok(()) => true,
            // A page that has closed takes no more. A full mailbox is told again with the next message.
            Err(error) => {
                lock(&self.waiting).is_announced = false;
                !error.is_closed()
            }
        }
    }
}
