//! lib
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
mod reply;
mod timer;
mod wire;

pub use address::{Addr, Recipient};
pub use close::{Close, CloseCode, CloseReason, Fault};
pub use context::Context;
pub use error::{BoxError, DecodeError, Error, HandlerError, Result, SendError};
pub use handler::{Upgrade};
#[cfg(feature = "json")]
pub use json::Json;
pub use message::{Message, Ping, Pong};
pub use options::{Options, Origins, Unhandled};
pub use payload::{FromBinary, FromText};
pub use reply::{IntoReply, Replies};
pub use timer::TimerId;
pub use bytes::Bytes;
pub use tungstenite::Utf8Bytes;

#[doc(hidden)]
pub mod private {
    pub use crate::event::{Event, Step};
    pub use crate::handler::{Declared, Handler, IntoUpgrade, Mounted, OnInfo, OnUpgrade, Timer};
}
