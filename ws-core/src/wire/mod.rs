//! The WebSocket engine: RFC 6455, server side, without I/O and without a clock.
//!
//! [`Connection`] is the state machine. The other modules are its parts, in the order of the inbound
//! path: [`frame`] parses the header; [`mask`], [`deflate`] and [`utf8`] process the payload;
//! [`decoder`] assembles messages; [`outbox`] queues the frames for the client.

mod connection;
mod decoder;
mod deflate;
mod discard;
mod frame;
#[cfg(all(any(test, fuzzing), feature = "deflate"))]
pub(crate) mod fuzzing;
mod inbound_message;
pub(crate) mod mask;
mod message_pool;
mod outbox;
mod peer_activity;
mod prepared_message;
mod rate_limiter;
mod read_ahead;
#[cfg(any(test, fuzzing))]
pub(crate) mod testing;
mod unread;
mod utf8;

#[cfg(feature = "inspect")]
pub use connection::Direction;
#[cfg(feature = "tungstenite")]
pub(crate) use connection::ReadsWhileWriting;
pub(crate) use connection::{Connection, Silence, UnfinishedMessage};
#[cfg(feature = "inspect")]
pub(crate) use connection::{MessageTap, TappedMessage};
pub(crate) use deflate::DeflateParams;
pub(crate) use frame::MAX_HEADER;
#[cfg(feature = "session")]
pub(crate) use frame::{FIN, Header, MAX_CLIENT_HEADER, Opcode, encode_frame, write_header};
pub(crate) use inbound_message::{BorrowedMessage, InboundMessage};
pub(crate) use outbox::{OwnedPayload, ZERO_COPY_THRESHOLD};
#[cfg(feature = "tungstenite")]
pub(crate) use peer_activity::PeerActivity;
pub(crate) use prepared_message::PreparedMessage;
pub(crate) use rate_limiter::RateLimiter;
pub(crate) use unread::UnreadInput;
