//! The close frames of the server's own closes.

/// The longest reason text of a close frame in bytes: 125 bytes of payload less the code
/// (RFC 6455 §5.5).
pub(crate) const MAX_CLOSE_REASON: usize = 123;

/// Returns whether an endpoint may send the code in a close frame.
pub(super) const fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The close codes and texts with which the server closes for a cause of its own, declared with
/// `close_codes(timeout = 1001, overflow = (4013, "too slow"))`.
///
/// Each field is a code and a text. A declaration with a code alone keeps the text. The defaults are codes after
/// which clients connect again, unless a new connection would fail for the same cause. Codes that may be sent are
/// 1000 to 1003, 1007 to 1014 and 3000 to 4999 (RFC 6455 §7.4); `#[websocket]` rejects others at compile time. At
/// run time, another code is sent as 1011, and a text is cut after 123 bytes.
///
/// A frame that RFC 6455 forbids always closes with 1002, and text or compressed data that is invalid with 1007.
///
/// ```
/// # use ws_core::{CloseCodes, prelude::*, test::TestClient};
/// #[websocket(path = "/prices", idle_timeout = 20s, close_codes(timeout = (4001, "say something"), panic = 1012))]
/// #[derive(Default)]
/// struct Prices;
///
/// #[websocket]
/// impl Prices {
///     #[on_text]
///     fn price(&mut self, of: &str) -> String {
///         panic!("no price of {of}");
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Prices).await;
/// client.advance(Duration::from_secs(20)).await;
/// assert_eq!(client.closed().await, Close::new(4001, "say something"));
///
/// let mut client = TestClient::open(Prices).await;
/// client.send("bread").await;
/// assert_eq!(client.closed().await, Close::from(1012));
/// assert_eq!(CloseCodes::DEFAULT.overflow, (1013, "reading too slowly"));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseCodes {
    /// The client was silent: [`CloseReason::Timeout`](crate::CloseReason::Timeout). Default 1001, "idle timeout".
    pub timeout: (u16, &'static str),
    /// The client did not answer a ping: [`CloseReason::PongTimeout`](crate::CloseReason::PongTimeout). Default
    /// 1001, "no pong".
    pub pong: (u16, &'static str),
    /// The connection reached its `max_lifetime`. Default 1001, "maximum lifetime reached".
    pub expired: (u16, &'static str),
    /// The server shuts down. Default 1001, "server is shutting down".
    pub shutdown: (u16, &'static str),
    /// The client reads too slowly: [`CloseReason::Overflow`](crate::CloseReason::Overflow). Default 1013 (try
    /// again later), "reading too slowly".
    pub overflow: (u16, &'static str),
    /// The client sends too many messages, pings or empty fragments. Default 1008, "too many messages or frames".
    pub rate: (u16, &'static str),
    /// A message exceeds `max_message_size`, or a frame `max_frame_size`. Default 1009, "message too big".
    pub size: (u16, &'static str),
    /// No method takes this kind of message, with `unhandled = close`. Default 1003, "unsupported kind of message".
    pub unsupported: (u16, &'static str),
    /// A payload does not decode, and there is no `#[on_error]`. Default 1007, without text.
    pub decode: (u16, &'static str),
    /// A method returned an error or a reply that cannot be sent, and there is no `#[on_error]`. Default 1011,
    /// without text.
    pub error: (u16, &'static str),
    /// A method panicked. Default 1011, without text.
    pub panic: (u16, &'static str),
}

impl CloseCodes {
    /// The default codes and texts, as a constant for declarations.
    pub const DEFAULT: Self = Self {
        timeout: (1001, "idle timeout"),
        pong: (1001, "no pong"),
        expired: (1001, "maximum lifetime reached"),
        shutdown: (1001, "server is shutting down"),
        overflow: (1013, "reading too slowly"),
        rate: (1008, "too many messages or frames"),
        size: (1009, "message too big"),
        unsupported: (1003, "unsupported kind of message"),
        decode: (1007, ""),
        error: (1011, ""),
        panic: (1011, ""),
    };

    /// Checks each code and text. The macro has already checked literals.
    #[track_caller]
    pub(crate) const fn check(&self) {
        let Self {
            timeout,
            pong,
            expired,
            shutdown,
            overflow,
            rate,
            size,
            unsupported,
            decode,
            error,
            panic,
        } = *self;
        let all = [timeout, pong, expired, shutdown, overflow, rate, size, unsupported, decode, error, panic];
        let mut index = 0;
        while index < all.len() {
            assert!(
                is_sendable(all[index].0),
                "a code of `close_codes` may not be sent: use 1000 to 1003, 1007 to 1014 or 3000 to 4999",
            );
            assert!(
                all[index].1.len() <= MAX_CLOSE_REASON,
                "a text of `close_codes` is longer than 123 bytes, the most that a close frame holds",
            );
            index += 1;
        }
    }
}

impl Default for CloseCodes {
    fn default() -> Self {
        Self::DEFAULT
    }
}
