//! Example values of numbers and strings.

use serde_json::{Map, Value, json};

use super::length;

/// Returns 1, or the number nearest to it within the bounds.
pub(super) fn integer(schema: &Map<String, Value>) -> Option<Value> {
    let (mut min, mut max) = (bound(schema, "minimum", f64::ceil), bound(schema, "maximum", f64::floor));
    // Exclusive bounds are those of the next integers.
    let above = bound(schema, "exclusiveMinimum", f64::floor).map(|bound| bound.saturating_add(1));
    let below = bound(schema, "exclusiveMaximum", f64::ceil).map(|bound| bound.saturating_sub(1));
    min = min.max(above);
    max = [max, below].into_iter().flatten().min();
    let step = match schema.get("multipleOf") {
        Some(step) => i128::from(step.as_i64().filter(|step| *step > 0)?),
        None => 1,
    };
    let start = min.unwrap_or(i128::MIN).max(1.min(max.unwrap_or(1)));
    let rounded = start.checked_add((-start).rem_euclid(step))?;
    let value = if max.is_some_and(|max| rounded > max) { rounded.checked_sub(step)? } else { rounded };
    let fits = min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max);
    let value = u64::try_from(value).map(Value::from).or_else(|_| i64::try_from(value).map(Value::from));
    value.ok().filter(|_| fits)
}

/// Returns a bound as an integer.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of a float saturates, and so far bounds are as good"
)]
fn bound(schema: &Map<String, Value>, keyword: &str, round: fn(f64) -> f64) -> Option<i128> {
    let value = schema.get(keyword)?;
    let integer = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    integer.or_else(|| value.as_f64().map(|value| round(value) as i128))
}

/// Returns 1.5, or a number within the bounds.
pub(super) fn number(schema: &Map<String, Value>) -> Option<Value> {
    if schema.contains_key("multipleOf") {
        return integer(schema);
    }
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let (min, max) = (bound("minimum"), bound("maximum"));
    let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    let fits = |value: &f64| {
        min.is_none_or(|min| *value >= min)
            && max.is_none_or(|max| *value <= max)
            && above.is_none_or(|above| *value > above)
            && below.is_none_or(|below| *value < below)
    };
    let low = min.into_iter().chain(above).fold(f64::NEG_INFINITY, f64::max);
    let high = max.into_iter().chain(below).fold(f64::INFINITY, f64::min);
    let candidates = [1.5, low, high, low.midpoint(high), low + 1.0, high - 1.0];
    candidates.into_iter().filter(|value| value.is_finite()).find(fits).map(Value::from)
}

/// Returns a text of the format, or `string` in the length that the schema allows.
pub(super) fn string(schema: &Map<String, Value>) -> Option<Value> {
    let format = schema.get("format").and_then(Value::as_str).and_then(of_format);
    let min = length(schema, "minLength").unwrap_or(0);
    let max = length(schema, "maxLength").unwrap_or(usize::MAX);
    // A longer text is not an example.
    if min > max.min(1_000) {
        return None;
    }
    match format {
        Some(text) => (min..=max).contains(&text.len()).then(|| json!(text)),
        None => {
            let count = min.max("string".len()).min(max);
            Some("string".chars().cycle().take(count).collect::<String>().into())
        }
    }
}

/// Returns a text of a format of JSON Schema. Formats without one are not checked by validators.
fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "date-time" => "2026-01-31T12:30:00Z",
        "date" | "naive-date" => "2026-01-31",
        "time" => "12:30:00Z",
        "partial-date-time" | "naive-date-time" => "2026-01-31T12:30:00",
        "partial-time" | "naive-time" => "12:30:00",
        "duration" => "PT1M30S",
        "email" | "idn-email" => "alice@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ip" | "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "iri" | "url" => "https://example.com/path",
        "uri-reference" | "iri-reference" | "json-pointer" => "/path",
        "uuid" => "123e4567-e89b-12d3-a456-426614174000",
        "regex" => "^[a-z]+$",
        "char" => "a",
        _ => return None,
    })
}
