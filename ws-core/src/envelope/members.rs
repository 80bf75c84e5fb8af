//! The members of a JSON object, as raw JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How deeply the parameters of a call may be nested: each of them, as a JSON value. The limit is below that of
/// `serde_json`, whose parser calls itself for each level of a `Value`.
pub(super) const MAX_PARAMETER_DEPTH: usize = 64;

/// The nesting of a message whose parameters have [`MAX_PARAMETER_DEPTH`]: an object with a list of parameters.
pub(super) const MAX_MESSAGE_DEPTH: usize = MAX_PARAMETER_DEPTH + 2;

/// The members of a JSON object that have known names. Other members are ignored.
pub(super) struct JsonMembers<'a, const N: usize> {
    /// The values, in the order of the names.
    pub(super) values: [Option<&'a RawValue>; N],
    /// Whether a known name is there more than once.
    pub(super) has_repeated: bool,
}

impl<'a, const N: usize> JsonMembers<'a, N> {
    /// Reads an object without recursion and without a copy.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON, or not an object.
    pub(super) fn read(text: &'a str, names: &[&str; N]) -> serde_json::Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let members = deserializer.deserialize_map(JsonMembersVisitor(names))?;
        deserializer.end()?;
        Ok(members)
    }
}

struct JsonMembersVisitor<'n, const N: usize>(&'n [&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for JsonMembersVisitor<'_, N> {
    type Value = JsonMembers<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = JsonMembers { values: [None; N], has_repeated: false };
        while let Some(position) = map.next_key_seed(NamePosition(self.0))? {
            match position.and_then(|position| members.values.get_mut(position)) {
                Some(value) => members.has_repeated |= value.replace(map.next_value()?).is_some(),
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(members)
    }
}

/// The position of a name in a list, which may be written with escapes.
struct NamePosition<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for NamePosition<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NamePosition<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

/// Returns a JSON string, borrowed if it has no escapes. `None` if the value is not a string, or not Unicode.
pub(super) fn read_str(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if text.contains('\\') {
        return serde_json::from_str(value.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(text))
}

/// Returns the id of one of the server's calls, or 0, which no call has.
pub(super) fn read_own_id(value: Option<&RawValue>) -> u64 {
    value.and_then(|id| serde_json::from_str(id.get()).ok()).unwrap_or(0)
}

/// Returns whether arrays and objects are nested deeper than `max`. The text may have any content.
pub(super) fn is_nested_deeper(text: &str, max: usize) -> bool {
    // Each level has a byte at its start and one at its end.
    if text.len() <= 2 * max {
        return false;
    }
    let (mut depth, mut is_string) = (0_usize, false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_string = !is_string,
            b'\\' if is_string => _ = bytes.next(),
            b'[' | b'{' if !is_string => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b']' | b'}' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (text, expected) in [
            (deep(10), false),
            (deep(11), true),
            (format!("{:?}", deep(11)), false),
            (format!(r#""\"{}""#, deep(11)), false),
            (format!(r#"["\\",{}]"#, deep(10)), true),
            (format!("[{}]", vec!["{}"; 100].join(",")), false),
            ("[{".repeat(6), true),
            ("]".repeat(100) + &"[".repeat(10), false),
        ] {
            // With a tail, so that the length alone does not decide.
            assert_eq!(is_nested_deeper(&(text.clone() + &" ".repeat(40)), 10), expected, "{text}");
        }
    }

    #[test]
    fn nesting_that_fits_into_the_length_is_found() {
        let deepest = format!("{}{}", "[".repeat(11), "]".repeat(11));
        assert!(is_nested_deeper(&deepest, 10));
    }

    #[test]
    fn members_are_found_in_any_order_and_spelling() {
        let text = r#" {"b": [1], "other": {"a": 7}, "\u0061": null} "#;
        let members = JsonMembers::read(text, &["a", "b", "c"]).unwrap();
        let values = members.values.map(|value| value.map(RawValue::get));
        assert_eq!((values, members.has_repeated), ([Some("null"), Some("[1]"), None], false));
        assert!(JsonMembers::read(r#"{"a": 1, "\u0061": 1}"#, &["a"]).unwrap().has_repeated);
        assert!(!JsonMembers::read(r#"{"x": 1, "x": 1}"#, &["a"]).unwrap().has_repeated);
        for text in ["", "{", "[]", "1", r#"{"a"}"#, "{} {}", r#"{"a": 1,}"#] {
            assert!(JsonMembers::read(text, &["a"]).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_does_not_recurse() {
        let deep = format!(r#"{{"a": {}"#, "[".repeat(1 << 20));
        assert!(JsonMembers::read(&deep, &["a"]).is_err());
        let deep = format!(r#"{{"x": {}{}}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert!(JsonMembers::read(&deep, &["a"]).is_ok());
    }
}
