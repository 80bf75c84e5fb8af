#![doc = include_str!("guide.links")]
// The programs of the README are compiled by `tests/guide/readme.rs`.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
// The documentation covers all features. Without one of them, links to its items do not resolve.
#![cfg_attr(
    not(all(
        feature = "json",
        feature = "metrics",
        feature = "nats",
        feature = "test-util",
        feature = "tls"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]
// The pedantic lints hold for the code, not for its tests.
#![cfg_attr(test, allow(clippy::pedantic))]

// Generated code names `::ws_core`; with this alias, unit tests can declare handlers.
#[cfg(test)]
extern crate self as ws_core;

// Compile errors about replies name items of this module: the compiler prints the first public path that it finds.
#[doc(hidden)]
pub mod reply;

mod address;
#[cfg(feature = "client")]
pub mod client;
mod clock;
mod close;
mod connections;
mod context;
#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "contract")]
mod contract_model;
mod driver;
#[cfg(feature = "json")]
mod envelope;
mod error;
mod event;
#[cfg(all(any(test, fuzzing), feature = "deflate"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod guide;
mod handler;
#[cfg(feature = "inspect")]
pub mod inspect;
#[cfg(feature = "json")]
mod json;
mod last_call;
mod mailbox;
mod message;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "metrics/disabled.rs"]
mod metrics;
#[cfg(feature = "json")]
mod named;
mod options;
mod panic;
mod payload;
pub mod prelude;
#[doc(hidden)]
pub mod private;
mod router;
mod scratch;
mod server;
mod shrink;
mod span;
mod sync;
#[cfg(feature = "test-util")]
pub mod test;
mod timer;
mod topic;
mod transport;
mod upgrade;
mod wire;
mod work;
mod worker;

// Types of other crates in the public API: `CloseCode` and `Utf8Bytes` of tungstenite, `Bytes`, the types
// of http, the extractors and responses of axum-core, the stream of tokio-tungstenite, and the options
// of async-nats.
#[cfg(feature = "nats")]
pub use async_nats;
pub use axum_core;
pub use bytes::Bytes;
#[cfg(feature = "tungstenite")]
pub use driver::drive;
pub use hyper::{HeaderMap, Method, StatusCode, Uri};
#[cfg(feature = "metrics")]
pub use metrics::publish_metrics;
#[cfg(feature = "tungstenite")]
pub use tokio_tungstenite;
pub use tungstenite::Utf8Bytes;

/// The attribute of a handler: `#[websocket(options…)]` on its `struct` or `enum`, and `#[websocket]` on
/// its `impl`.
///
/// The [prelude] exports this attribute and the attributes for methods. All options have the defaults of
/// [`Options`]. Only the path is required, either here or in [`Router::mount_at`]. `options = BASE` starts with
/// a `const BASE: Options` instead of the defaults; the other options override it, in any order.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[websocket(path = "/notes", idle_timeout = 5m, max_message_size = 64KiB, mailbox = 16)]
/// #[derive(Default)]
/// struct Notes(Vec<String>);
///
/// #[websocket]
/// impl Notes {
///     #[on_text]
///     fn add(&mut self, note: String) -> String {
///         self.0.push(note);
///         format!("{} notes", self.len())
///     }
///
///     /// Without an attribute: an ordinary method.
///     fn len(&self) -> usize {
///         self.0.len()
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Notes::default()).await;
/// client.send("milk").await;
/// assert_eq!(client.text().await, "1 notes");
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::websocket;

/// Implements the trait [`Messages`](trait@Messages) for an enum.
///
/// ```
/// use ws_core::Messages;
///
/// #[derive(Messages, serde::Serialize)]
/// enum Event {
///     Price(f64),
///     #[message("market.closed")]
///     Closed,
/// }
/// assert_eq!(Event::NAMES, ["price", "market.closed"]);
/// ```
#[cfg(feature = "json")]
#[doc(inline)]
pub use ws_macros::Messages;

/// Implements [`Call`](trait@Call) for a struct, whose fields are the parameters of the client's method.
///
/// `#[call(returns = …)]` is required: the type of the result, which is deserialized from the client's answer. A
/// string before it is the name of the client's method: `#[call("order.confirm", returns = bool)]`. Without one, the
/// name is that of the type in snake case.
///
/// ```
/// use ws_core::Call;
///
/// #[derive(Call, serde::Serialize)]
/// #[call(returns = Vec<String>)]
/// struct ListFiles { folder: String }
///
/// assert_eq!(ListFiles::NAME, "list_files");
/// ```
#[cfg(feature = "json")]
#[doc(inline)]
pub use ws_macros::Call;

pub use address::{Addr, Address, Recipient};
pub use close::{Close, CloseCodes, CloseReason, ProtocolError};

/// The status code of a close frame (RFC 6455 §7.4); tungstenite's type.
///
/// The type converts from and into `u16`. An endpoint may send 1000 to 1003, 1007 to 1014 and 3000 to
/// 4999. The codes 4000 to 4999 are for private use by applications
/// ([`Library`](CloseCode::Library)).
///
/// ```
/// use ws_core::CloseCode;
///
/// assert_eq!(CloseCode::from(1000), CloseCode::Normal);
/// assert_eq!(u16::from(CloseCode::Policy), 1008);
/// assert!(CloseCode::Library(4001).is_allowed());
/// assert!(!CloseCode::Abnormal.is_allowed()); // 1006 is never sent.
/// ```
#[doc(inline)]
pub use close::CloseCode;

pub use connections::{ConnectionId, TagError};
pub use context::{Context, PartWriter};
#[cfg(feature = "json")]
pub use envelope::{
    Call, CallError, ClientCallError, Envelope, Incoming, JsonRpc, Messages, PendingCall, RawId, TagNames,
    Tagged, TypeTag,
};
#[cfg(feature = "nats")]
pub use error::HubError;
#[cfg(feature = "tls")]
pub use error::TlsError;
pub use error::{BoxError, BrokerError, DecodeError, Error, HandlerError, PublishError, Result, SendError};
#[cfg(feature = "json")]
pub use handler::Enveloped;
pub use handler::{DeliverTo, Handler, HasState, OnInfo, ReplyOf, Upgrade};
#[cfg(feature = "json")]
pub use json::Json;
pub use message::{Message, MessageKind, Part, Ping, Pong};
#[cfg(feature = "json")]
pub use named::Params;
pub use options::{Compress, OnSecond, Options, Origins, Overflow, SessionOptions, Unhandled, UnsentLimit};
pub use payload::{FromBinary, FromText};
pub use reply::{Goto, IntoReply, Replies};
pub use router::{
    ConnectionSnapshot, ConnectionState, Connections, Drain, Path, PeerAddr, Query, Readiness, Router, State,
    Subprotocols, TaggedConnections,
};
pub use server::Listener;
#[cfg(feature = "tls")]
pub use server::Tls;
#[cfg(feature = "signal")]
pub use server::shutdown_signal;
pub use timer::TimerId;
#[cfg(feature = "json")]
pub use topic::EnvelopeCodec;
#[cfg(feature = "nats")]
pub use topic::NatsOptions;
pub use topic::{
    Codec, History, Hub, Joined, Member, MemberId, ParsePositionError, Position, Presence, PublishAck,
    Published, Reached, Reaching, Recovering, Recovery, Since, Subscribed, TaggedInHub, Topic,
};
#[cfg(feature = "tls")]
pub use upgrade::ClientCertificate;
pub use upgrade::IsTls;
pub use work::Deferred;
