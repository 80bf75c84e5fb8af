//! The wire engine: RFC 6455, server side, without I/O and without a clock.
//!
//! [`Connection`] is the machine; the other modules are its parts, in the order in which a byte
//! meets them: [`frame`] reads the header, [`mask`], [`deflate`] and [`utf8`] the payload,
//! [`decoder`] puts messages together, [`outbox`] holds what goes the other way.

mod activity;
mod ahead;
mod backlog;
mod broadcast;
mod connection;
mod decoder;
mod deflate;
mod frame;
#[cfg(all(any(test, fuzzing), feature = "deflate"))]
pub(crate) mod fuzzing;
mod mask;
mod outbox;
mod pool;
mod rate;
#[cfg(any(test, fuzzing))]
pub(crate) mod testing;
mod utf8;

#[cfg(feature = "tungstenite")]
pub(crate) use activity::Activity;
pub(crate) use ahead::Incoming;
pub(crate) use backlog::Backlog;
pub(crate) use broadcast::Broadcast;
pub(crate) use connection::Connection;
pub(crate) use deflate::Agreed;
pub(crate) use outbox::{Kept, LARGE};
pub(crate) use rate::Rate;
