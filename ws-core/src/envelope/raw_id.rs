//! Ids of calls, as the client wrote them.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The longest id that needs no allocation, in bytes: a number of 64 bits, or a short string.
const INLINE: usize = 22;

/// The id of a client's call, as the client wrote it: a number of any size, a string, or `null`.
///
/// The text of the id is kept, so that the answer repeats the id to the letter: `1e3` is not `1000`. Up to 22
/// bytes need no allocation. [`JsonRpc`](crate::JsonRpc) and [`Tagged`](crate::Tagged) have such ids, and other
/// envelopes may.
///
/// ```
/// use serde_json::value::RawValue;
/// use ws_core::RawId;
///
/// let id: &RawValue = serde_json::from_str("12345678901234567890.0").unwrap();
/// assert_eq!(RawId::new(id).unwrap().as_str(), "12345678901234567890.0");
///
/// let list: &RawValue = serde_json::from_str("[1]").unwrap();
/// assert_eq!(RawId::new(list), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RawId(Text);

#[derive(Clone, PartialEq, Eq)]
enum Text {
    Inline { len: u8, bytes: [u8; INLINE] },
    Allocated(Box<str>),
}

impl RawId {
    /// Returns the id that is a JSON value, or `None` for an array, an object, `true` and `false`.
    pub fn new(value: &RawValue) -> Option<Self> {
        let text = value.get();
        matches!(text.as_bytes(), [b'"' | b'-' | b'0'..=b'9' | b'n', ..]).then(|| Self::from_json(text))
    }

    /// Returns the id `null`, which answers a call whose id is unknown.
    pub fn null() -> Self {
        Self::from_json("null")
    }

    fn from_json(text: &str) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(len)) => {
                start.copy_from_slice(text.as_bytes());
                Self(Text::Inline { len, bytes })
            }
            _ => Self(Text::Allocated(text.into())),
        }
    }

    /// Returns the JSON text of the id: a string has its quotes.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Inline { len, bytes } => {
                bytes.get(..usize::from(*len)).and_then(|text| str::from_utf8(text).ok()).unwrap_or("null")
            }
            Text::Allocated(text) => text,
        }
    }
}

impl Serialize for RawId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.as_str()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl fmt::Debug for RawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawId").field(&format_args!("{}", self.as_str())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_text() {
        let long = format!("\"{}\"", "x".repeat(1 << 20));
        for text in ["0", "-1", "1.50", "1e400", "null", "\"\"", "\"\\ud800\"", "\"ä\"", &long] {
            let value: &RawValue = serde_json::from_str(text).unwrap();
            let id = RawId::new(value).unwrap();
            assert_eq!(id.as_str(), text);
            assert_eq!(serde_json::to_string(&id).unwrap(), text);
        }
        for text in ["true", "false", "{}", "[]", "[1]"] {
            assert_eq!(RawId::new(serde_json::from_str(text).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn ids_of_usual_length_need_no_allocation() {
        let is_inline = |text: &str| matches!(RawId::from_json(text).0, Text::Inline { .. });
        assert!(is_inline(&u64::MAX.to_string()) && is_inline(&i64::MIN.to_string()));
        assert!(is_inline(&"1".repeat(INLINE)) && !is_inline(&"1".repeat(INLINE + 1)));
        assert!(size_of::<RawId>() <= 24);
    }
}
