//! The modes of a server.

/// Reaction of a server to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Echoes text and binary messages.
    Echo,
    /// Echoes with permessage-deflate, without context takeover on either side.
    Deflate,
    /// Echoes with permessage-deflate, with context takeover on both sides.
    Takeover,
    /// Echoes inside TLS.
    Tls,
    /// Echoes over HTTP/2.
    Http2,
    /// Answers an order in JSON with a receipt in JSON.
    Json,
    /// Sends a text to all clients, including the sender.
    Fanout,
    /// Counts the ticks of a timer in each connection, and answers a text with the count.
    Timer,
    /// Takes a number as text. A task outside sends that number of messages to the connection, which answers
    /// with its count after the last.
    Info,
    /// Answers the JSON-RPC call `add` with the sum of two numbers.
    Rpc,
    /// Echoes text in a session.
    Session,
}

pub(crate) const MODES: [(Mode, &str); 11] = [
    (Mode::Echo, "echo"),
    (Mode::Deflate, "deflate"),
    (Mode::Takeover, "takeover"),
    (Mode::Tls, "tls"),
    (Mode::Http2, "http2"),
    (Mode::Json, "json"),
    (Mode::Fanout, "fanout"),
    (Mode::Timer, "timer"),
    (Mode::Info, "info"),
    (Mode::Rpc, "rpc"),
    (Mode::Session, "session"),
];

impl Mode {
    /// Returns the name of the mode on the command line.
    pub(crate) fn name(self) -> &'static str {
        MODES.iter().find(|(mode, _)| *mode == self).map_or("", |(_, name)| name)
    }

    /// Returns whether the tables of this mode have only the servers that have it, and no dashes for the others.
    pub(crate) fn is_special(self) -> bool {
        matches!(self, Self::Tls | Self::Http2 | Self::Json | Self::Rpc)
    }
}
