//! The helper attributes, and what people write for them.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::Attribute;

use super::suggest::suggest;

/// Their names.
pub(crate) const HELPERS: [&str; 12] = [
    "on_upgrade",
    "on_open",
    "on_text",
    "on_binary",
    "on_ping",
    "on_pong",
    "on_info",
    "on_lagged",
    "every",
    "after",
    "on_error",
    "on_close",
];

/// What other frameworks, and other people, call them.
pub(crate) const OTHER_NAMES: [(&str, &[&str]); 10] = [
    ("on_upgrade", &["on_handshake", "on_request", "on_accept", "on_init"]),
    ("on_open", &["open", "connect", "on_connect", "on_connected", "on_connection", "on_start", "on_join"]),
    ("on_text", &["on", "message", "on_message", "on_msg", "on_string", "on_receive"]),
    ("on_binary", &["on_bytes", "on_data"]),
    ("on_info", &["on_event", "on_notify", "on_notification"]),
    (
        "on_lagged",
        &[
            "lagged",
            "on_lag",
            "on_lagging",
            "on_overflow",
            "on_missed",
            "on_dropped",
            "on_skipped",
            "on_backpressure",
        ],
    ),
    ("every", &["interval", "on_every", "on_tick", "on_interval"]),
    ("after", &["on_after", "on_timer", "on_timeout"]),
    ("on_error", &["on_failure", "on_fail", "on_failed"]),
    (
        "on_close",
        &[
            "close",
            "disconnect",
            "on_closed",
            "on_closing",
            "on_disconnect",
            "on_disconnected",
            "on_terminate",
            "on_stop",
            "on_leave",
            "on_end",
        ],
    ),
];

/// The last word of an attribute, however it is imported.
pub(crate) fn attribute_name(attribute: &Attribute) -> String {
    attribute.path().segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
}

/// Whether an attribute is the one that we are called for.
pub(crate) fn is_websocket(attribute: &Attribute) -> bool {
    attribute_name(attribute) == "websocket"
}

/// Whether an attribute is ours, or is meant to be: the compiler need not complain about a misspelt
/// one again. One with a path is of the crate that it names.
pub(super) fn is_helper(attribute: &Attribute) -> bool {
    let name = attribute_name(attribute);
    if HELPERS.contains(&name.as_str()) || cfg_attr_helper(attribute).is_some() {
        return true;
    }
    let others = OTHER_NAMES.iter().any(|(_, names)| names.contains(&name.as_str()));
    // A short word is near to many.
    let near =
        suggest(&name, &HELPERS, &[]).is_some_and(|near| strsim::damerau_levenshtein(&name, near) <= 1);
    attribute.path().segments.len() == 1 && (name.starts_with("on_") || others || near)
}

/// The helper that a `cfg_attr` hides from us.
pub(crate) fn cfg_attr_helper(attribute: &Attribute) -> Option<TokenTree> {
    if !attribute.path().is_ident("cfg_attr") {
        return None;
    }
    let tokens =
        attribute.meta.require_list().map_or_else(|_| TokenStream::new(), |list| list.tokens.clone());
    tokens.into_iter().find(|token| HELPERS.contains(&token.to_token_stream().to_string().as_str()))
}
