#![doc = include_str!("../README.md")]
// Tests take shortcuts that the code does not.
#![cfg_attr(test, allow(clippy::pedantic))]

// So that tests in here can declare handlers too.
#[cfg(test)]
extern crate self as ws_core;

mod address;
mod close;
mod context;
mod driver;
mod error;
mod event;
mod handler;
#[cfg(feature = "json")]
mod json;
mod message;
mod options;
mod payload;
pub mod prelude;
#[doc(hidden)]
pub mod private;
mod reply;
mod router;
mod server;
#[cfg(feature = "test-util")]
pub mod test;
mod timer;
mod transport;
mod upgrade;
mod wire;

// Types of other crates in the public API: `CloseCode` and `Utf8Bytes` of tungstenite, `Bytes`,
// the types of http, the extractors and responses of axum-core, and the stream of tokio-tungstenite.
pub use axum_core;
pub use bytes::Bytes;
#[cfg(feature = "tungstenite")]
pub use driver::drive;
pub use hyper::{HeaderMap, Method, StatusCode, Uri};
#[cfg(feature = "tungstenite")]
pub use tokio_tungstenite;
pub use tungstenite::Utf8Bytes;
pub use ws_macros::websocket;

pub use address::{Addr, Recipient};
pub use close::{Close, CloseCode, CloseReason, Fault};
pub use context::Context;
pub use error::{BoxError, DecodeError, Error, HandlerError, Result, SendError};
pub use handler::{Handler, OnInfo, Upgrade};
#[cfg(feature = "json")]
pub use json::Json;
pub use message::{Message, Ping, Pong};
pub use options::{Options, Origins, Unhandled};
pub use payload::{FromBinary, FromText};
pub use reply::{IntoReply, Replies};
pub use router::{Path, PeerAddr, Query, Router, State};
pub use timer::TimerId;
