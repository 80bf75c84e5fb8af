//! The position of a message in the history of a topic.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::ParseIntError;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The position of a message in the history of its topic. A client stores it, and sends it when it
/// reconnects.
///
/// A position is an *epoch*, which identifies one history, and an *offset* in it, as in Centrifugo. A
/// history that was lost starts a new epoch, so that an old position cannot match it by accident. The text
/// form, also in serde, is `epoch-offset` in hexadecimal digits, up to 33 characters.
///
/// Offsets are ordered, but do not count messages: with a broker, several topics share one stream and its
/// offsets, so that the offsets of one topic may skip numbers. [`Since::Last`](crate::Since::Last) counts
/// messages.
///
/// ```
/// use ws_core::Position;
///
/// let position: Position = "1f-2a".parse()?;
/// assert_eq!((position.epoch, position.offset), (31, 42));
/// assert_eq!(position.to_string(), "1f-2a");
/// assert!("yesterday".parse::<Position>().is_err());
/// # Ok::<_, ws_core::ParsePositionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The history.
    pub epoch: u64,
    /// The offset in it; 0 is before the first message.
    pub offset: u64,
}

/// Returns a random epoch.
pub(super) fn new_epoch() -> u64 {
    // `RandomState` has random keys, and needs no further dependency.
    RandomState::new().hash_one(std::process::id())
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, ParsePositionError> {
        let (epoch, offset) = text.split_once('-').ok_or(ParsePositionError(None))?;
        let number =
            |digits| u64::from_str_radix(digits, 16).map_err(|error| ParsePositionError(Some(error)));
        Ok(Self { epoch: number(epoch)?, offset: number(offset)? })
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// The text form: two numbers in hexadecimal digits.
#[cfg(feature = "contract")]
impl schemars::JsonSchema for Position {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Position".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{1,16}-[0-9a-f]{1,16}$" })
    }
}

/// The error of parsing a [`Position`].
///
/// ```
/// let error = "yesterday".parse::<ws_core::Position>().unwrap_err();
/// assert_eq!(error.to_string(), "invalid position: expected `epoch-offset`, for example `1f-2a`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePositionError(Option<ParseIntError>);

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid position: expected `epoch-offset`, for example `1f-2a`")
    }
}

impl std::error::Error for ParsePositionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}
