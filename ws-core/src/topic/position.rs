//! Where in the history of a topic a message stands.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::ParseIntError;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The place of a message in the history of its topic, for a client to keep and to come back with.
///
/// It is an *epoch*, which names one history, and an *offset* in it, as Centrifugo has them. A history
/// that was lost begins a new epoch, so that nobody takes up a place in another one. As text, and in
/// what serde writes, it is `epoch-offset` in hexadecimal digits, 33 characters at the most.
///
/// Do not count with offsets: with a broker they are those of a stream, which the messages of other
/// topics have too. Those of one topic grow with each message, by one or by more;
/// [`Since::Last`](crate::Since::Last) counts messages.
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
    /// Which history.
    pub epoch: u64,
    /// How far into it; nothing was published before 0.
    pub offset: u64,
}

/// A new epoch, which no other has.
pub(super) fn new_epoch() -> u64 {
    // The standard library's source of random keys.
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

/// Text that is no [`Position`].
///
/// ```
/// let error = "yesterday".parse::<ws_core::Position>().unwrap_err();
/// assert_eq!(error.to_string(), "not a position: it reads `epoch-offset`, as `1f-2a`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePositionError(Option<ParseIntError>);

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position: it reads `epoch-offset`, as `1f-2a`")
    }
}

impl std::error::Error for ParsePositionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}
