//! What a handler usually needs: `use ws_core::prelude::*;`.

pub use std::time::Duration;

pub use ws_macros::{
    after, every, on_binary, on_close, on_error, on_info, on_open, on_ping, on_pong, on_text, on_upgrade,
    websocket,
};

#[cfg(feature = "json")]
pub use crate::Json;
pub use crate::{
    Addr, Bytes, Close, CloseCode, CloseReason, Context, DecodeError, FromBinary, FromText, HandlerError,
    HeaderMap, IntoReply, Message, OnInfo, Path, PeerAddr, Ping, Pong, Query, Recipient, Replies, Router,
    SendError, State, StatusCode, TimerId, Upgrade, Utf8Bytes,
};
