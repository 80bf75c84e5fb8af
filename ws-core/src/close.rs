//! Close frames, and the reasons why a connection ends (RFC 6455 §7).

mod codes;

use std::{fmt, io};

pub use codes::CloseCodes;
pub(crate) use codes::MAX_CLOSE_REASON;
use codes::is_sendable;
use tungstenite::Utf8Bytes;
pub use tungstenite::protocol::frame::coding::CloseCode;

/// A close frame: a status code, and a text for debugging (RFC 6455 §5.5.1).
///
/// A method closes the connection by returning a `Close`, or by passing one to
/// [`Context::close`](crate::Context::close). Cowboy's `{close, Code, Reason}`. The default is 1000
/// without text.
///
/// ```
/// use ws_core::{Close, CloseCode};
///
/// let close = Close::new(CloseCode::Policy, "one message a second, please");
/// assert_eq!(u16::from(close.code), 1008);
/// assert_eq!(Close::from(4001).code, CloseCode::Library(4001));
/// assert_eq!(Close::from((4001, "kicked")), Close::new(4001, "kicked"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The status code.
    pub code: CloseCode,
    /// The text, up to 123 bytes. A longer text is cut at a character boundary when the frame is sent.
    pub reason: Utf8Bytes,
}

impl Close {
    /// Creates a close frame with a code and a text.
    pub fn new(code: impl Into<CloseCode>, reason: impl Into<Utf8Bytes>) -> Self {
        Self { code: code.into(), reason: reason.into() }
    }

    /// Creates a close frame without a code (RFC 6455 §5.5.1). The client reports 1005 for such a frame, which
    /// is also the code of this value ([`CloseCode::Status`]).
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text]
    ///     fn leave(&mut self, _: &str) -> Close {
    ///         Close::empty()
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("bye").await;
    /// assert_eq!(client.closed().await, Close::empty());
    /// assert_eq!(Close::empty().code, CloseCode::Status);
    /// # }
    /// ```
    pub fn empty() -> Self {
        CloseCode::Status.into()
    }

    /// Creates the close frame of a declared cause.
    pub(crate) fn of_cause(code: u16, text: &'static str) -> Self {
        let code = if is_sendable(code) { code.into() } else { CloseCode::Error };
        Self::new(code, Utf8Bytes::from_static(text))
    }

    /// Returns whether the frame has neither a code nor a text.
    pub(crate) fn is_empty(&self) -> bool {
        self.code == CloseCode::Status && self.reason.is_empty()
    }

    /// Returns the payload of the frame.
    pub(crate) fn payload(&self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let text = self.reason.as_str();
        let cut = text.floor_char_boundary(MAX_CLOSE_REASON);
        [&u16::from(self.code).to_be_bytes(), &text.as_bytes()[..cut]].concat()
    }
}

impl Default for Close {
    fn default() -> Self {
        Self::new(CloseCode::Normal, Utf8Bytes::from_static(""))
    }
}

impl From<CloseCode> for Close {
    fn from(code: CloseCode) -> Self {
        Self::new(code, Utf8Bytes::from_static(""))
    }
}

impl From<u16> for Close {
    fn from(code: u16) -> Self {
        CloseCode::from(code).into()
    }
}

/// Converts a code and a text, for example in `cx.close((4001, "kicked"))`.
impl<C: Into<CloseCode>, R: Into<Utf8Bytes>> From<(C, R)> for Close {
    fn from((code, reason): (C, R)) -> Self {
        Self::new(code, reason)
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " {:?}", self.reason.as_str()) }
    }
}

/// As the error of a method, a close is sent. `#[on_error]` does not run.
impl std::error::Error for Close {}

/// Returns whether an endpoint may send the code in a close frame.
///
/// These are the codes of RFC 6455 §7.4.1 and of IANA's registry that are not reserved, and 3000–4999
/// (§7.4.2).
pub(crate) fn may_be_sent(code: CloseCode) -> bool {
    is_sendable(code.into())
}

/// The reason why a connection ended: the argument of `#[on_close]`, and the first argument of Cowboy's
/// `terminate/3`.
///
/// The codes of the server's own closes are defaults, which [`CloseCodes`] changes.
///
/// The first reason counts. If the client disconnects after the handler has closed, the reason remains
/// [`Stop`](CloseReason::Stop) and does not become [`ConnectionLost`](CloseReason::ConnectionLost).
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] struct Chat(std::sync::mpsc::Sender<&'static str>);
/// #[websocket]
/// impl Chat {
///     #[on_close]
///     fn closed(&mut self, reason: &CloseReason) {
///         let entry = match reason {
///             CloseReason::Remote(_) | CloseReason::ConnectionLost(_) => "client left",
///             CloseReason::Stop(close) if close.code == CloseCode::Policy => "client was banned",
///             _ => "closed",
///         };
///         self.0.send(entry).unwrap();
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let (sender, log) = std::sync::mpsc::channel();
/// let mut client = TestClient::open(Chat(sender)).await;
/// client.abort().await;
/// assert_eq!(log.recv(), Ok("client left"));
/// assert!(matches!(client.close_reason().await, CloseReason::ConnectionLost(_)));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client sent a close frame, with this code and text; `None` for an empty frame. The server
    /// answers with the same code. Cowboy's `remote` and `{remote, Code, Payload}`.
    Remote(Option<Close>),
    /// The handler closed, with [`Context::close`](crate::Context::close) or a [`Close`] reply.
    /// Cowboy's `stop`.
    Stop(Close),
    /// The program closed the connection through [`Connections`](crate::Connections), without the handler. A code
    /// that may not be sent becomes 1011. Cowboy's `exit(Pid, Reason)`.
    Requested(Close),
    /// The client sent no bytes for `idle_timeout`. The code is 1001. Cowboy's `timeout`.
    Timeout,
    /// The client sent no bytes for `pong_timeout` after a ping of `ping_interval`: it cannot be reached any
    /// more. The code is 1001 and the text "no pong".
    PongTimeout,
    /// The connection reached its `max_lifetime`. The code is 1001.
    Expired,
    /// The client violated the protocol or exceeded a limit. The code is 1002, 1007, 1008 or 1009.
    /// Cowboy's `{error, badframe}`, `{error, badencoding}` and `{error, badsize}`.
    Protocol(ProtocolError),
    /// The client sent a kind of message that no method handles, and the handler is declared with
    /// `unhandled = close`. The code is 1003.
    Unsupported,
    /// A payload did not decode (code 1007) or a method returned an error (code 1011), and the handler
    /// has no `#[on_error]`, or its `#[on_error]` failed.
    Error {
        /// The code that the server sends to the client.
        code: CloseCode,
        /// The error as text. The server does not send it to the client.
        message: String,
    },
    /// A method panicked with this message. The code is 1011. Cowboy's `{crash, Class, Reason}`.
    Panic(String),
    /// The client reads more slowly than the handler sends: the outbox grew beyond `outbox_limit`
    /// bytes, or too many published messages were queued. The code is 1013.
    Overflow,
    /// The client disconnected without a close frame. Cowboy's `{error, closed}` and
    /// `{error, Reason}`.
    ConnectionLost(io::ErrorKind),
    /// The server is shutting down. The code is 1001; for a session it is 1012, so that the client connects again.
    Shutdown,
    /// The client began a new session in place of this one, which could not send what the client lacks. The code is
    /// 4900. For a handler in the client's role: the server has lost the session, and may lack what was sent last.
    Superseded,
}

/// The close code of a connection of a session that another connection or session has replaced.
pub(crate) const SUPERSEDED: u16 = 4900;

/// The code of a connection that another one with its tag replaces.
pub(crate) const REPLACED: u16 = 4910;

/// The code of a connection that is refused, because another one has its tag.
pub(crate) const TAKEN: u16 = 4911;

impl CloseReason {
    /// Returns the close frame to send for this reason: the only table from reason to code.
    ///
    /// `None` if the connection is lost.
    pub(crate) fn close_frame(&self, codes: &CloseCodes) -> Option<Close> {
        let with = |(code, text)| Some(Close::of_cause(code, text));
        match self {
            // The answer repeats the code without the text, as in Cowboy.
            Self::Remote(frame) => Some(frame.as_ref().map_or_else(Close::empty, |close| close.code.into())),
            Self::Stop(close) => Some(close.clone()),
            Self::Requested(close) if close.is_empty() || may_be_sent(close.code) => Some(close.clone()),
            Self::Requested(_) => Some(CloseCode::Error.into()),
            Self::Timeout => with(codes.timeout),
            Self::Expired => with(codes.expired),
            Self::PongTimeout => with(codes.pong),
            Self::Protocol(ProtocolError::LimitExceeded) => with(codes.rate),
            Self::Protocol(ProtocolError::MessageTooBig) => with(codes.size),
            Self::Protocol(error) => with((error.code().into(), error.text())),
            Self::Unsupported => with(codes.unsupported),
            Self::Error { code, .. } => Some((*code).into()),
            Self::Panic(_) => with(codes.panic),
            Self::Overflow => with(codes.overflow),
            Self::ConnectionLost(_) => None,
            Self::Shutdown => with(codes.shutdown),
            Self::Superseded => with((SUPERSEDED, "superseded")),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(Some(close)) => write!(f, "closed by the client: {close}"),
            Self::Remote(None) => f.write_str("closed by the client"),
            Self::Stop(close) => write!(f, "closed by the handler: {close}"),
            Self::Requested(close) => write!(f, "closed by the program: {close}"),
            Self::Timeout => f.write_str("idle timeout"),
            Self::PongTimeout => f.write_str("no pong"),
            Self::Expired => f.write_str("maximum lifetime reached"),
            Self::Protocol(error) => write!(f, "protocol error: {error}"),
            Self::Unsupported => f.write_str("unsupported kind of message"),
            Self::Error { message, .. } => write!(f, "handler failed: {message}"),
            Self::Panic(message) => write!(f, "handler panicked: {message}"),
            Self::Overflow => f.write_str("client reads too slowly"),
            Self::ConnectionLost(kind) => write!(f, "connection lost: {kind}"),
            Self::Shutdown => f.write_str("server is shutting down"),
            Self::Superseded => f.write_str("superseded by a new session"),
        }
    }
}

/// A violation of the WebSocket protocol, or of a limit, by the client.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(max_message_size = 1KiB)] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat { #[on_open] fn open(&mut self) {} }
/// use ws_core::ProtocolError;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send("x".repeat(2000)).await;
/// assert_eq!(client.close_reason().await, CloseReason::Protocol(ProtocolError::MessageTooBig));
/// assert_eq!(ProtocolError::MessageTooBig.code(), CloseCode::Size);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame that RFC 6455 forbids, with the rule that it breaks; 1002.
    BadFrame(&'static str),
    /// Text that is not valid UTF-8; 1007.
    BadEncoding,
    /// A compressed message that cannot be inflated; 1007.
    BadCompression,
    /// A message over `max_message_size`, or a frame over `max_frame_size`; 1009.
    MessageTooBig,
    /// More messages per second than `max_message_rate`, more pings and pongs per second than
    /// `max_control_rate`, or a message with more than 1,024 empty fragments; 1008.
    LimitExceeded,
}

impl ProtocolError {
    /// Returns the close code of the error, unless [`CloseCodes`] declares another one.
    pub fn code(self) -> CloseCode {
        match self {
            Self::BadFrame(_) => CloseCode::Protocol,
            Self::BadEncoding | Self::BadCompression => CloseCode::Invalid,
            Self::MessageTooBig => CloseCode::Size,
            Self::LimitExceeded => CloseCode::Policy,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::BadFrame(what) => what,
            Self::BadEncoding => "text is not UTF-8",
            Self::BadCompression => "message cannot be inflated",
            Self::MessageTooBig => "message too big",
            Self::LimitExceeded => "too many messages or frames",
        }
    }
}

impl std::error::Error for ProtocolError {}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reason_is_cut_between_characters() {
        let payload = Close::new(1000, "é".repeat(100)).payload();
        assert_eq!(payload.len(), 2 + 122);
        assert_eq!(std::str::from_utf8(&payload[2..]), Ok(&*"é".repeat(61)));
        assert_eq!(Close::default().payload(), [3, 232]);
        assert!(Close::empty().payload().is_empty());
    }
}
