//! Names and constant values of the response's headers, as statics that an iterator can borrow.

use hyper::header::{self, HeaderName, HeaderValue};

pub(super) static CONNECTION: HeaderName = header::CONNECTION;
pub(super) static CONNECTION_UPGRADE: HeaderValue = HeaderValue::from_static("Upgrade");
pub(super) static UPGRADE: HeaderName = header::UPGRADE;
pub(super) static UPGRADE_WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
/// Draft 76 compares this value with regard to case.
pub(super) static UPGRADE_HIXIE: HeaderValue = HeaderValue::from_static("WebSocket");
pub(super) static ACCEPT: HeaderName = header::SEC_WEBSOCKET_ACCEPT;
pub(super) static SUBPROTOCOL: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;
pub(super) static EXTENSIONS: HeaderName = header::SEC_WEBSOCKET_EXTENSIONS;
pub(super) static DRAFT_ORIGIN: HeaderName = super::DRAFT_ORIGIN;
