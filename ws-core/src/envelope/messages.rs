//! The messages that a server sends by itself.

use serde::Serialize;

use super::Envelope;
use super::content::Content;

/// The messages that a server sends by itself: an enum with a variant for each.
///
/// `#[derive(Messages)]` implements this trait; the enum also needs serde's `Serialize`. The name of a message is
/// that of its variant in `snake_case`, or the text of `#[message("…")]`. The content is what `Serialize` writes for
/// the variant: the value of `Price(Price)`, an object for `Halted { symbol }`, an array for a variant with several
/// values, nothing for a variant without one. serde's attributes for fields hold.
///
/// A handler sends these messages in its envelope after `sends = Event` in its declaration: as replies, and with
/// [`Context::send`](crate::Context::send). Anything else that it would send does not compile, except for
/// [`Close`](crate::Close), [`Ping`](crate::Ping) and [`Pong`](crate::Pong). For topics, see
/// [`EnvelopeCodec`](crate::EnvelopeCodec).
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[derive(Messages, serde::Serialize)]
/// enum Event {
///     Price(f64),
///     Halted { symbol: &'static str },
///     #[message("market.closed")]
///     Closed,
/// }
///
/// #[websocket(path = "/", envelope = JsonRpc, sends = Event)]
/// #[derive(Default)]
/// struct Board;
///
/// #[websocket]
/// impl Board {
///     #[on_open]
///     fn open(&mut self, cx: &mut Context<Self>) -> [Event; 2] {
///         cx.send(Event::Price(2.5));
///         [Event::Halted { symbol: "ACME" }, Event::Closed]
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// assert_eq!(Event::NAMES, ["price", "halted", "market.closed"]);
/// let mut client = TestClient::open(Board).await;
/// assert_eq!(client.text().await, r#"{"jsonrpc":"2.0","method":"price","params":[2.5]}"#);
/// assert_eq!(client.text().await, r#"{"jsonrpc":"2.0","method":"halted","params":{"symbol":"ACME"}}"#);
/// assert_eq!(client.text().await, r#"{"jsonrpc":"2.0","method":"market.closed"}"#);
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no names for its messages",
    label = "`#[derive(Messages)]` is missing",
    note = "write `#[derive(Messages, serde::Serialize)]` above the `enum {Self}`"
)]
pub trait Messages: Serialize {
    /// The names of all messages, in the order of the variants.
    const NAMES: &'static [&'static str];

    /// The names of the variants for serde, in the order of [`NAMES`](Self::NAMES), apart from case and separators.
    #[doc(hidden)]
    const VARIANTS: &'static [&'static str] = Self::NAMES;

    /// Returns the name of this message.
    fn name(&self) -> &'static str;
}

/// Returns whether two names differ only in the case and the separators that `rename_all` of serde changes.
#[cfg(any(feature = "client", feature = "contract"))]
pub(crate) fn is_one_name(a: &str, b: &str) -> bool {
    let plain = |name: &str| -> String {
        name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
    };
    plain(a) == plain(b)
}

/// Writes a message in an envelope.
///
/// # Errors
///
/// Returns an error if the content does not serialize.
pub(crate) fn write_message<E: Envelope, M: Messages>(
    message: &M,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    E::write_message(message.name(), &Content(message), out)
}
