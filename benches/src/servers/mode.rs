//! The modes of a server.

/// What a server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Text and binary go back as they came.
    Echo,
    /// The same, with permessage-deflate and no context takeover on either side.
    Deflate,
    /// A text goes to everybody, the sender included.
    Fanout,
    /// Every connection counts the ticks of a timer of its own, and says how many to whoever asks.
    Timer,
    /// A text is a number: a task outside sends so many messages to the connection, which says how many it has had
    /// when it has the last.
    Info,
}

pub(crate) const MODES: [(Mode, &str); 5] = [
    (Mode::Echo, "echo"),
    (Mode::Deflate, "deflate"),
    (Mode::Fanout, "fanout"),
    (Mode::Timer, "timer"),
    (Mode::Info, "info"),
];

impl Mode {
    /// Returns the name of the mode on the command line.
    pub(crate) fn name(self) -> &'static str {
        MODES.iter().find(|(mode, _)| *mode == self).map_or("", |(_, name)| name)
    }
}
