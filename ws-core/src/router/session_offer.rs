//! The offer of a session in a handshake, and the options of its connections.

use hyper::header::HeaderValue;

use crate::options::Options;
use crate::transport::session::PROTOCOL;
use crate::upgrade::{self, HeaderFields};

/// The close code with which a server that stops ends the connections of sessions (1012, "service restart" in
/// IANA's registry).
const RESTART: u16 = 1012;

/// Returns whether a request offers the session protocol.
pub(super) fn offers_session<F: HeaderFields + ?Sized>(fields: &F) -> bool {
    upgrade::offers_subprotocol(fields, &HeaderValue::from_static(PROTOCOL))
}

/// Returns the options of the connections of sessions.
pub(super) fn session_options(options: &Options) -> Options {
    let mut options = options.clone();
    options.close_codes.shutdown.0 = RESTART;
    options
}
