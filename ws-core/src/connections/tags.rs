//! The bounds of tags.

use std::fmt;

/// The longest tag in bytes.
const MAX_TAG_LEN: usize = 128;

/// The largest number of tags of a connection.
const MAX_TAGS: usize = 16;

/// The error of [`Context::tag`](crate::Context::tag): the tag is beyond a bound, and was not added.
///
/// ```
/// use ws_core::TagError;
///
/// assert_eq!(TagError::TooMany.to_string(), "the connection already has 16 tags");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TagError {
    /// The tag is the empty text.
    Empty,
    /// The tag has more than 128 bytes.
    TooLong,
    /// The connection already has 16 tags.
    TooMany,
    /// The handler's option [`one_per`](crate::Options::one_per) allows the tag for one connection. Either another
    /// connection has the tag, and this one closes; or this one is closing already, and takes the place of none.
    Taken,
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the tag is empty"),
            Self::TooLong => write!(f, "the tag is longer than {MAX_TAG_LEN} bytes"),
            Self::Taken => f.write_str("another connection has the tag"),
            Self::TooMany => write!(f, "the connection already has {MAX_TAGS} tags"),
        }
    }
}

impl std::error::Error for TagError {}

/// Checks a tag for a connection that has `count` tags. Returns whether the tag is new.
pub(crate) fn check_tag(tag: &str, count: usize, has_tag: bool) -> Result<bool, TagError> {
    match tag.len() {
        0 => Err(TagError::Empty),
        len if len > MAX_TAG_LEN => Err(TagError::TooLong),
        _ if has_tag => Ok(false),
        _ if count >= MAX_TAGS => Err(TagError::TooMany),
        _ => Ok(true),
    }
}
