//! Who sent a message, and which of theirs it is.

use std::collections::HashMap;
use std::fmt;

use async_nats::HeaderMap;

/// The header with all of it: `node.line.number`, and `.connection` or `.mark`.
const HEADER: &str = "Ws";

/// How many bytes it takes, with what NATS writes around it.
pub(super) const SIZE: usize = 128;

/// How many senders a topic may have before those that have been silent for longest are forgotten.
const MAX_LINES: usize = 4096;

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The process, by a random number.
    pub(super) node: u64,
    /// The topic in that process, which may forget one and begin anew.
    pub(super) line: u64,
    /// The first is 1. That of a mark is that of the message before.
    pub(super) number: u64,
    pub(super) about: About,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// For everybody,
    All,
    /// but for this connection of the process.
    Others(usize),
    /// No message: it says how many there were.
    Mark,
}

impl Stamp {
    pub(super) fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, self.to_string());
        headers
    }

    /// That of a message, if it is one of ours.
    pub(super) fn of(headers: Option<&HeaderMap>) -> Option<Self> {
        Self::parse(headers?.get(HEADER)?.as_str())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let (node, line, number) = (number()?, number()?, number()?);
        let about = match parts.next() {
            None => About::All,
            Some("mark") => About::Mark,
            Some(connection) => About::Others(usize::from_str_radix(connection, 16).ok()?),
        };
        Some(Self { node, line, number, about })
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}.{:x}", self.node, self.line, self.number)?;
        match self.about {
            About::All => Ok(()),
            About::Others(connection) => write!(f, ".{connection:x}"),
            About::Mark => f.write_str(".mark"),
        }
    }
}

/// What a stamp says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The next, after so many that were lost. 0 says that nobody knows.
    After(Option<u64>),
    /// It has been heard, or was told as lost.
    Before,
}

/// The senders that a subscription has heard.
#[derive(Default)]
pub(super) struct Lines {
    /// The number of the last message of each, and when it was heard.
    last: HashMap<(u64, u64), (u64, u64)>,
    clock: u64,
}

impl Lines {
    pub(super) fn hear(&mut self, stamp: &Stamp) -> Heard {
        self.clock += 1;
        let (key, heard) = ((stamp.node, stamp.line), (stamp.number, self.clock));
        let is_mark = stamp.about == About::Mark;
        let Some(last) = self.last.get_mut(&key) else {
            if self.last.len() >= MAX_LINES {
                self.forget();
            }
            self.last.insert(key, heard);
            // How many there were before is nothing to those who have come later. Only a mark is
            // there for those who may have lost something.
            return Heard::After(is_mark.then_some(0));
        };
        let is_new = if is_mark { stamp.number >= last.0 } else { stamp.number > last.0 };
        if !is_new {
            return Heard::Before;
        }
        let missed = stamp.number - last.0 - u64::from(!is_mark);
        *last = heard;
        Heard::After((missed > 0).then_some(missed))
    }

    /// Forgets the half that has been silent for longest.
    fn forget(&mut self) {
        let mut times: Vec<u64> = self.last.values().map(|(_, heard)| *heard).collect();
        let half = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(half);
        let middle = *middle;
        self.last.retain(|_, (_, heard)| *heard >= middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Stamp {
        Stamp::parse(text).unwrap()
    }

    #[test]
    fn stamps_are_read_as_they_are_written() {
        for text in ["1.2.3", "ffffffffffffffff.0.a.1f", "7.0.0.mark"] {
            assert_eq!(stamp(text).to_string(), text);
        }
        let hostile = ["", "1", "1.2", "1.2.", "1.2.x", "1.2.3.", "1.2.3.-1", "1.2.11111111111111111"];
        for text in hostile {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn gaps_are_counted() {
        let mut lines = Lines::default();
        let mut check = |text: &str, expect: Heard| assert_eq!(lines.hear(&stamp(text)), expect, "{text}");
        check("1.0.7", Heard::After(None));
        check("1.0.8", Heard::After(None));
        check("2.0.1", Heard::After(None));
        check("1.0.b", Heard::After(Some(2)));
        check("1.0.b", Heard::Before);
        check("1.0.9", Heard::Before);
        check("1.0.b.mark", Heard::After(None));
        check("1.0.d.mark", Heard::After(Some(2)));
        check("1.0.e", Heard::After(None));
        check("1.0.a.mark", Heard::Before);
        // The same process after it had forgotten the topic.
        check("1.1.1", Heard::After(None));
        check("3.0.5.mark", Heard::After(Some(0)));
        check("2.0.ffffffffffffffff", Heard::After(Some(u64::MAX - 2)));
        check("2.0.ffffffffffffffff", Heard::Before);
    }

    #[test]
    fn silent_senders_are_forgotten() {
        let mut lines = Lines::default();
        for node in 0..3 * MAX_LINES as u64 {
            lines.hear(&Stamp { node, line: 0, number: 1, about: About::All });
            // One that is not silent.
            let number = node + 1;
            assert_eq!(
                lines.hear(&Stamp { node: u64::MAX, line: 0, number, about: About::All }),
                Heard::After(None)
            );
        }
        assert!(lines.last.len() <= MAX_LINES);
    }
}
