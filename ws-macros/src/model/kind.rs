//! Attributes of event methods.

/// Attribute of an event method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Text,
    Binary,
    Part,
    Ping,
    Pong,
    Info,
    Lagged,
    Drain,
    Attach,
    Detach,
    Every,
    After,
    Error,
    Close,
    Call,
    Message,
    Enter,
    Leave,
}

impl Kind {
    const ALL: [Self; 19] = [
        Self::Open,
        Self::Text,
        Self::Binary,
        Self::Part,
        Self::Ping,
        Self::Pong,
        Self::Info,
        Self::Lagged,
        Self::Drain,
        Self::Attach,
        Self::Detach,
        Self::Every,
        Self::After,
        Self::Error,
        Self::Close,
        Self::Call,
        Self::Message,
        Self::Enter,
        Self::Leave,
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "on_open",
            Self::Text => "on_text",
            Self::Binary => "on_binary",
            Self::Part => "on_part",
            Self::Ping => "on_ping",
            Self::Pong => "on_pong",
            Self::Info => "on_info",
            Self::Lagged => "on_lagged",
            Self::Drain => "on_drain",
            Self::Attach => "on_attach",
            Self::Detach => "on_detach",
            Self::Every => "every",
            Self::After => "after",
            Self::Error => "on_error",
            Self::Close => "on_close",
            Self::Call => "on_call",
            Self::Message => "on_message",
            Self::Enter => "on_enter",
            Self::Leave => "on_leave",
        }
    }

    /// Returns whether methods of this kind have the name of a message.
    pub(super) fn is_named(self) -> bool {
        matches!(self, Self::Call | Self::Message)
    }

    pub(super) fn needs_payload(self) -> bool {
        matches!(self, Self::Text | Self::Binary | Self::Part | Self::Info | Self::Error)
    }
}
