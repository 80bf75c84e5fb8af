//! Names of the helper attributes, and common alternatives.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::Attribute;

use super::suggest::suggest;

/// Names of the helper attributes.
pub(crate) const HELPERS: [&str; 20] = [
    "on_upgrade",
    "on_open",
    "on_text",
    "on_call",
    "on_message",
    "on_binary",
    "on_part",
    "on_ping",
    "on_pong",
    "on_info",
    "on_lagged",
    "on_drain",
    "on_attach",
    "on_detach",
    "every",
    "after",
    "on_error",
    "on_close",
    "on_enter",
    "on_leave",
];

/// Names of the same events in other frameworks, and common guesses.
pub(crate) const OTHER_NAMES: [(&str, &[&str]); 18] = [
    ("on_upgrade", &["on_handshake", "on_accept", "on_init"]),
    ("on_open", &["open", "connect", "on_connect", "on_connected", "on_connection", "on_start", "on_join"]),
    ("on_text", &["on", "message", "on_string", "on_receive"]),
    ("on_binary", &["on_bytes", "on_data"]),
    ("on_call", &["rpc", "method", "call", "procedure", "on_request", "on_rpc", "on_method", "on_query"]),
    (
        "on_part",
        &["part", "on_parts", "on_chunk", "on_chunks", "on_fragment", "on_frame", "on_stream", "on_piece"],
    ),
    (
        "on_message",
        &["on_msg", "on_event", "on_notification", "on_command", "notification", "subscribe_message"],
    ),
    ("on_info", &["on_notify"]),
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
    ("on_drain", &["drain", "on_drained", "on_flush", "on_flushed", "on_writable", "on_bufferedamountlow"]),
    (
        "on_attach",
        &["on_reattach", "on_resume", "on_resumed", "on_reconnect", "on_reconnected", "on_recover"],
    ),
    ("on_detach", &["on_suspend", "on_pause", "on_lost", "on_connection_lost", "on_offline"]),
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
            "on_end",
        ],
    ),
    ("on_enter", &["on_entry", "on_entered", "on_state"]),
    ("on_leave", &["on_exit", "on_left"]),
];

/// Returns the last path segment of an attribute.
pub(crate) fn attribute_name(attribute: &Attribute) -> String {
    attribute.path().segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
}

/// Returns whether an attribute is `#[websocket]`.
pub(crate) fn is_websocket(attribute: &Attribute) -> bool {
    attribute_name(attribute) == "websocket"
}

/// Returns whether an attribute is a helper or probably a misspelt one. Misspelt helpers are removed, so
/// that the compiler does not report them again. An attribute with a path belongs to another crate.
pub(super) fn is_helper(attribute: &Attribute) -> bool {
    let name = attribute_name(attribute);
    if HELPERS.contains(&name.as_str()) || cfg_attr_helper(attribute).is_some() {
        return true;
    }
    let others = OTHER_NAMES.iter().any(|(_, names)| names.contains(&name.as_str()));
    // One edit at most: short words are within two edits of many others.
    let near =
        suggest(&name, &HELPERS, &[]).is_some_and(|near| strsim::damerau_levenshtein(&name, near) <= 1);
    attribute.path().segments.len() == 1 && (name.starts_with("on_") || others || near)
}

/// Returns the helper inside of a `cfg_attr`, which expands too late for `#[websocket]`.
pub(crate) fn cfg_attr_helper(attribute: &Attribute) -> Option<TokenTree> {
    if !attribute.path().is_ident("cfg_attr") {
        return None;
    }
    let tokens =
        attribute.meta.require_list().map_or_else(|_| TokenStream::new(), |list| list.tokens.clone());
    tokens.into_iter().find(|token| HELPERS.contains(&token.to_token_stream().to_string().as_str()))
}
