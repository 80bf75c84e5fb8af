//! The form of a handler's messages, as a type.

/// The form of a handler's messages, which `#[websocket(…)]` on its type chooses.
pub trait MessageProtocol {
    /// Whether the messages are in an envelope. The driver routes answers only then.
    const HAS_ENVELOPE: bool = false;
}

/// The form of a handler without an envelope: all replies are sent as they are.
#[derive(Debug)]
pub enum AnyReply {}

impl MessageProtocol for AnyReply {}
