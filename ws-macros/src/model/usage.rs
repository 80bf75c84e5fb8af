//! Names and examples of the options, for error texts.

use proc_macro2::Span;

use crate::parse::suggest;

/// Names of the options.
pub(super) const OPTIONS: [&str; 35] = [
    "path",
    "options",
    "envelope",
    "sends",
    "subprotocols",
    "idle_timeout",
    "ping_interval",
    "pong_timeout",
    "max_lifetime",
    "max_message_size",
    "max_frame_size",
    "max_message_rate",
    "max_control_rate",
    "validate_utf8",
    "compress",
    "mailbox",
    "max_deferred",
    "max_pending_calls",
    "overflow",
    "outbox_high_water",
    "outbox_limit",
    "send_buffer",
    "unsent_limit",
    "read_ahead",
    "close_timeout",
    "discard_limit",
    "close_codes",
    "cancel_timeout",
    "unhandled",
    "one_per",
    "on_second",
    "origins",
    "legacy",
    "session",
    "bullet",
];

/// Names of the options in Cowboy and other frameworks, and common guesses.
const OTHER_NAMES: [(&str, &[&str]); 25] = [
    ("path", &["route", "url", "uri", "at"]),
    ("options", &["base", "defaults", "config", "settings", "extends"]),
    ("envelope", &["rpc", "json_rpc", "jsonrpc", "format", "message_format", "tag", "tagged"]),
    ("sends", &["send", "events", "messages", "emits", "publishes", "server_messages"]),
    ("subprotocols", &["protocols", "protocol", "subprotocol"]),
    ("idle_timeout", &["timeout", "inactivity_timeout"]),
    ("ping_interval", &["heartbeat", "heartbeat_interval", "keep_alive", "ping"]),
    ("pong_timeout", &["ping_timeout", "heartbeat_timeout"]),
    (
        "max_message_size",
        &["max_size", "max_payload", "max_payload_length", "message_size", "max_message_length"],
    ),
    (
        "max_message_rate",
        &["rate_limit", "rate", "message_rate", "messages_per_second", "max_messages_per_second", "throttle"],
    ),
    ("max_control_rate", &["ping_rate", "max_ping_rate", "control_rate"]),
    ("compress", &["compression", "deflate", "permessage_deflate", "deflate_opts", "per_message_deflate"]),
    (
        "overflow",
        &[
            "backpressure",
            "slow_consumer",
            "slow_subscriber",
            "on_overflow",
            "overflow_policy",
            "lag",
            "lagged",
            "on_lag",
        ],
    ),
    ("max_deferred", &["deferred", "deferred_limit", "max_tasks", "max_spawned", "concurrency"]),
    (
        "max_pending_calls",
        &["max_calls", "pending_calls", "max_concurrent_calls", "max_in_flight", "call_limit"],
    ),
    ("outbox_limit", &["max_backpressure", "max_buffered", "write_buffer_size"]),
    ("send_buffer", &["sndbuf", "so_sndbuf", "send_buffer_size", "socket_buffer"]),
    ("unsent_limit", &["notsent_lowat", "tcp_notsent_lowat", "max_unsent", "unsent"]),
    ("one_per", &["unique", "unique_tag", "one_per_user", "single", "max_per_user", "exclusive"]),
    ("on_second", &["on_duplicate", "duplicate", "replace", "refuse", "on_conflict", "second"]),
    ("origins", &["origin", "allowed_origins", "cors"]),
    ("close_codes", &["close_code", "codes", "close", "close_reasons"]),
    ("session", &["sessions", "resume", "resumable", "recover", "reconnect", "stateful_reconnect"]),
    ("legacy", &["drafts", "hixie", "hixie76", "hixie_76", "x_webkit_deflate_frame"]),
    (
        "bullet",
        &[
            "fallback",
            "fallbacks",
            "sse",
            "event_source",
            "eventsource",
            "server_sent_events",
            "long_polling",
            "polling",
            "xhr_polling",
        ],
    ),
];

/// Returns the error text of an unknown option.
pub(super) fn unknown_option(name: &str) -> String {
    let elsewhere = match name {
        "max_connections"
        | "max_connections_per_address"
        | "max_upgrade_rate"
        | "handshake_timeout"
        | "max_header_size"
        | "shutdown_timeout" => {
            "help: this limit applies to all handlers: call the method of this name on `Router`"
        }
        "state" => "help: call `.with_state(…)` on the router, and take `State<T>` in `#[on_upgrade]`",
        "client" => {
            "help: the methods make the client: write `#[websocket(client = pub BoardClient)]` on the `impl`"
        }
        _ => "",
    };
    if !elsewhere.is_empty() {
        return format!("unknown option `{name}`\n{elsewhere}");
    }
    match suggest(name, &OPTIONS, &OTHER_NAMES) {
        Some(near) => format!("unknown option `{name}`\nhelp: write {}", usage_hint(near)),
        None => format!("unknown option `{name}`\nhelp: the options are `{}`", OPTIONS.join("`, `")),
    }
}

/// Returns the error for a value of the wrong kind.
pub(super) fn invalid_value(span: Span, name: &str) -> syn::Error {
    syn::Error::new(span, format!("not a value of `{name}`\nhelp: write {}", usage_hint(name)))
}

/// Returns an example of an option.
pub(super) fn usage_hint(name: &str) -> &'static str {
    match name {
        "path" => "`path = \"/chat/{room}\"`",
        "options" => "`options = BASE`, with a `const BASE: Options`",
        "envelope" => {
            "`envelope = JsonRpc`, `envelope = Tagged`, or `envelope = Tagged(tag = \"event\", content = \"data\")`"
        }
        "sends" => "`sends = Event`, with an `enum Event` that has `#[derive(Messages, Serialize)]`",
        "subprotocols" => "`subprotocols = [\"chat.v2\", \"chat.v1\"]`",
        "idle_timeout" => "`idle_timeout = 60s`, or `idle_timeout = none`",
        "ping_interval" => "`ping_interval = 25s`, or `ping_interval = none`",
        "pong_timeout" => "`pong_timeout = 20s`",
        "max_lifetime" => "`max_lifetime = 1h`, or `max_lifetime = none`",
        "max_message_size" => "`max_message_size = 64KiB`",
        "max_frame_size" => "`max_frame_size = 16KiB`, or `max_frame_size = none`",
        "max_message_rate" => "`max_message_rate = 100` per second, or `max_message_rate = none`",
        "max_control_rate" => "`max_control_rate = 100` per second, or `max_control_rate = none`",
        "validate_utf8" => "`validate_utf8 = false`",
        "compress" => "`compress`, or `compress(level = 6, server_no_context_takeover)`",
        "mailbox" => "`mailbox = 1024`",
        "max_deferred" => "`max_deferred = 64`",
        "max_pending_calls" => "`max_pending_calls = 1024`",
        "overflow" => {
            "`overflow = close`, `overflow = drop_oldest`, `overflow = drop_newest`, or `overflow = latest`"
        }
        "outbox_high_water" => "`outbox_high_water = 64KiB`",
        "outbox_limit" => "`outbox_limit = 1MiB`",
        "send_buffer" => "`send_buffer = 64KiB`, or `send_buffer = none`",
        "unsent_limit" => "`unsent_limit = 16KiB`, or `unsent_limit = none`",
        "read_ahead" => "`read_ahead = 64KiB`",
        "close_timeout" => "`close_timeout = 5s`",
        "close_codes" => "`close_codes(timeout = 1001, overflow = (4013, \"too slow\"))`",
        "discard_limit" => "`discard_limit = 64MiB`",
        "cancel_timeout" => "`cancel_timeout = 1s`",
        "unhandled" => "`unhandled = close`, or `unhandled = ignore`",
        "one_per" => "`one_per = \"user\"`, for one connection with each tag `user:…`, or `one_per = none`",
        "on_second" => "`on_second = replace`, or `on_second = refuse`",
        "session" => "`session`, or `session(resume = 30s, buffer = 256KiB, poll_timeout = 25s)`",
        "legacy" => "`legacy`, or `legacy = false`",
        "bullet" => "`bullet`, or `bullet = false`",
        _ => {
            "`origins = [\"https://example.com\"]`, `origins = localhost` for development, or `origins = any`"
        }
    }
}
