//! The options of a handler as texts.

use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;

use crate::options::Options;

/// An option and its value, both as in `#[websocket(…)]` where that is possible.
#[derive(Debug, Serialize)]
pub(super) struct OptionReport {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Whether the value differs from the default.
    pub(super) is_changed: bool,
}

/// Describes the options of a handler.
pub(super) fn describe(options: &Options) -> Vec<OptionReport> {
    let default = values(&Options::DEFAULT);
    let values = values(options).into_iter().zip(default);
    values
        .map(|((name, value), (_, default))| OptionReport { name, is_changed: value != default, value })
        .collect()
}

fn values(options: &Options) -> Vec<(&'static str, String)> {
    // A field that is added without a line here is a compile error.
    let Options {
        idle_timeout,
        ping_interval,
        pong_timeout,
        max_lifetime,
        max_message_size,
        max_frame_size,
        max_message_rate,
        max_control_rate,
        validate_utf8,
        compress,
        mailbox,
        max_deferred,
        max_pending_calls,
        outbox_high_water,
        outbox_limit,
        read_ahead,
        close_timeout,
        discard_limit,
        close_codes: _,
        cancel_timeout,
        send_buffer,
        unsent_limit,
        overflow,
        unhandled,
        one_per,
        on_second,
        subprotocols,
        origins,
        legacy,
        bullet,
        session,
    } = options;
    vec![
        ("idle_timeout", optional(*idle_timeout, time)),
        ("ping_interval", optional(*ping_interval, time)),
        ("pong_timeout", time(*pong_timeout)),
        ("max_lifetime", optional(*max_lifetime, time)),
        ("max_message_size", bytes(*max_message_size)),
        ("max_frame_size", optional(*max_frame_size, bytes)),
        ("max_message_rate", optional(*max_message_rate, per_second)),
        ("max_control_rate", optional(*max_control_rate, per_second)),
        ("overflow", word(overflow)),
        ("mailbox", mailbox.to_string()),
        ("outbox_high_water", bytes(*outbox_high_water)),
        ("outbox_limit", bytes(*outbox_limit)),
        ("unsent_limit", word(unsent_limit)),
        ("send_buffer", optional(*send_buffer, bytes)),
        ("read_ahead", bytes(*read_ahead)),
        ("max_deferred", max_deferred.to_string()),
        ("max_pending_calls", max_pending_calls.to_string()),
        ("close_timeout", time(*close_timeout)),
        ("cancel_timeout", time(*cancel_timeout)),
        ("discard_limit", bytes(*discard_limit)),
        ("compress", if compress.is_some() { "on" } else { "off" }.to_owned()),
        ("session", optional(session.as_ref(), |session| format!("resume {}", time(session.resume)))),
        ("subprotocols", if subprotocols.is_empty() { "none".to_owned() } else { subprotocols.join(", ") }),
        ("origins", word(origins)),
        ("unhandled", word(unhandled)),
        ("one_per", optional(*one_per, str::to_owned)),
        ("on_second", word(on_second)),
        ("validate_utf8", validate_utf8.to_string()),
        ("legacy", legacy.to_string()),
        ("bullet", bullet.to_string()),
    ]
}

fn optional<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "none".to_owned(), text)
}

fn time(time: Duration) -> String {
    match time.as_millis() {
        millis if millis % 1000 != 0 => format!("{millis} ms"),
        millis if millis > 0 && millis % 3_600_000 == 0 => format!("{} h", millis / 3_600_000),
        millis if millis > 0 && millis % 60_000 == 0 => format!("{} min", millis / 60_000),
        millis => format!("{} s", millis / 1000),
    }
}

fn bytes(bytes: usize) -> String {
    match bytes {
        usize::MAX => "unlimited".to_owned(),
        bytes if bytes > 0 && bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes > 0 && bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} B"),
    }
}

fn per_second(rate: u32) -> String {
    format!("{rate} / s")
}

/// Writes the name of a variant as the option does: `DropOldest` is `drop_oldest`.
fn word(value: &impl Debug) -> String {
    let name = format!("{value:?}");
    let mut word = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 && name.as_bytes()[at - 1].is_ascii_lowercase() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Overflow;

    #[test]
    fn changed_options_are_marked() {
        let options = Options {
            overflow: Overflow::DropOldest,
            idle_timeout: None,
            max_message_size: 2 << 10,
            ..Options::DEFAULT
        };
        let changed: Vec<_> = describe(&options)
            .into_iter()
            .filter(|option| option.is_changed)
            .map(|option| (option.name, option.value))
            .collect();
        let expected = [("idle_timeout", "none"), ("max_message_size", "2 KiB"), ("overflow", "drop_oldest")];
        assert_eq!(changed, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn values_have_units() {
        let texts =
            [time(Duration::from_millis(1500)), time(Duration::from_mins(5)), bytes(1 << 20), bytes(100)];
        assert_eq!(texts, ["1500 ms", "5 min", "1 MiB", "100 B"]);
        assert_eq!((bytes(usize::MAX), time(Duration::ZERO)), ("unlimited".into(), "0 s".into()));
    }
}
