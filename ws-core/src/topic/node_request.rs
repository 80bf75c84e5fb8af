//! The requests between the processes of a hub, and their answers, as bytes.

use bytes::Bytes;

use crate::close::{Close, MAX_CLOSE_REASON};
use crate::connections::check_tag;

/// The first byte of every request and answer. A process ignores those of another version.
const VERSION: u8 = 1;

/// The second byte of a request to close connections.
const CLOSE: u8 = 1;

/// The second byte of a request to pass a message to connections. A process that does not know the byte ignores the
/// request, like one that is malformed.
const SEND: u8 = 2;

/// The longest name of a message in bytes.
pub(super) const MAX_NAME: usize = 128;

/// The longest encoded message in bytes.
pub(super) const MAX_MESSAGE: usize = 64 << 10;

/// A request to the connections with a tag.
///
/// Begins with the version, the kind, and the tag. A tag and a name follow their length, which is one byte.
#[derive(Debug, PartialEq)]
pub(super) enum NodeRequest<'a> {
    /// code (big-endian), reason
    Close { tag: &'a str, close: Close },
    /// name, encoded message
    Send { tag: &'a str, name: &'a str, message: &'a [u8] },
}

impl<'a> NodeRequest<'a> {
    /// Encodes the request. One whose tag or name is beyond its bound is malformed for others.
    pub(super) fn encode(&self) -> Bytes {
        match self {
            Self::Close { tag, close } => {
                let reason = close.reason.as_str();
                let reason = &reason[..reason.floor_char_boundary(MAX_CLOSE_REASON)];
                let code = u16::from(close.code).to_be_bytes();
                [&[VERSION, CLOSE, len(tag)], tag.as_bytes(), &code, reason.as_bytes()].concat().into()
            }
            Self::Send { tag, name, message } => {
                let parts =
                    [&[VERSION, SEND, len(tag)], tag.as_bytes(), &[len(name)], name.as_bytes(), message];
                parts.concat().into()
            }
        }
    }

    /// Parses a request. Returns `None` if it is malformed, or beyond a bound.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [VERSION, kind @ (CLOSE | SEND), rest @ ..] = bytes else { return None };
        let (tag, rest) = split_text(rest)?;
        check_tag(tag, 0, false).ok()?;
        if *kind == CLOSE {
            let (code, reason) = rest.split_first_chunk()?;
            let reason =
                std::str::from_utf8(reason).ok().filter(|reason| reason.len() <= MAX_CLOSE_REASON)?;
            return Some(Self::Close { tag, close: Close::from((u16::from_be_bytes(*code), reason)) });
        }
        let (name, message) = split_text(rest)?;
        let is_bounded = name.len() <= MAX_NAME && message.len() <= MAX_MESSAGE;
        is_bounded.then_some(Self::Send { tag, name, message })
    }
}

/// Returns the length of a text as a byte. A longer text gets a length that is beyond the bounds as well.
fn len(text: &str) -> u8 {
    u8::try_from(text.len()).unwrap_or(u8::MAX)
}

/// Splits off a text that follows its length.
fn split_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// The answer of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeAnswer {
    pub(super) node: u64,
    pub(super) connections: usize,
}

impl NodeAnswer {
    pub(super) fn encode(self) -> Bytes {
        let connections = self.connections as u64;
        [&[VERSION][..], &self.node.to_be_bytes(), &connections.to_be_bytes()].concat().into()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [VERSION, rest @ ..] = bytes else { return None };
        let (node, connections) = rest.split_first_chunk()?;
        let connections = u64::from_be_bytes(connections.try_into().ok()?);
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Some(Self { node: u64::from_be_bytes(*node), connections })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn is_parsed(bytes: &[u8]) -> bool {
        NodeRequest::parse(bytes).is_some()
    }

    #[test]
    fn closes_beyond_a_bound_are_malformed() {
        let encode = |tag: &str, close: Close| NodeRequest::Close { tag, close }.encode();
        let close = |reason: &str| Close::from((4003, reason));
        assert!(is_parsed(&encode(&"x".repeat(128), close(&"r".repeat(123)))));
        for tag in ["", &"x".repeat(129), &"x".repeat(1000)] {
            assert!(!is_parsed(&encode(tag, close(""))), "{tag}");
        }
        // A longer reason is cut at a character.
        let request = encode("user:42", close(&"é".repeat(100)));
        let expected = NodeRequest::Close { tag: "user:42", close: close(&"é".repeat(61)) };
        assert_eq!(NodeRequest::parse(&request), Some(expected));
        // Unless it was not cut by a process like this one.
        assert!(!is_parsed(&[&request[..], b"xx"].concat()));
        assert!(!is_parsed(&request[..11]) && !is_parsed(&[1, 1, 1, 0xFF, 0, 0]));
    }

    #[test]
    fn messages_beyond_a_bound_are_malformed() {
        let encode = |tag: &str, name: &str, len: usize| {
            NodeRequest::Send { tag, name, message: &vec![0xFF; len] }.encode()
        };
        let (longest, long) = (&"x".repeat(128), &"x".repeat(129));
        assert!(is_parsed(&encode(longest, longest, 64 << 10)) && is_parsed(&encode("x", "", 0)));
        for request in [
            encode("", "x", 0),
            encode(long, "x", 0),
            encode("x", long, 0),
            encode("x", &"x".repeat(1000), 0),
            encode("x", "x", (64 << 10) + 1),
        ] {
            assert!(!is_parsed(&request), "{request:?}");
        }
        for request in [&[1, 2][..], &[1, 2, 1, b'x'], &[1, 2, 1, b'x', 1], &[1, 2, 1, b'x', 1, 0xFF]] {
            assert!(!is_parsed(request), "{request:?}");
        }
    }

    #[test]
    fn other_versions_and_kinds_are_malformed() {
        let close = NodeRequest::Close { tag: "user:42", close: Close::from(4003) }.encode();
        let send = NodeRequest::Send { tag: "user:42", name: "notice", message: b"{}" }.encode();
        for request in [close, send] {
            assert!(is_parsed(&request));
            for (index, value) in [(0, 0), (0, 2), (1, 0), (1, 3), (1, 0xFF)] {
                let mut other = request.to_vec();
                other[index] = value;
                assert!(!is_parsed(&other), "{other:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn requests_and_answers_survive_the_way(
            tag in "[a-zé]{1,64}", code: u16, reason in "[a-zé]{0,61}", node: u64, connections: usize,
            name in "[a-zé]{0,64}", message in vec(any::<u8>(), 0..300),
        ) {
            let close = NodeRequest::Close { tag: &tag, close: Close::from((code, reason)) };
            let send = NodeRequest::Send { tag: &tag, name: &name, message: &message };
            for request in [close, send] {
                let bytes = request.encode();
                prop_assert_eq!(NodeRequest::parse(&bytes), Some(request));
            }
            let answer = NodeAnswer { node, connections };
            prop_assert_eq!(NodeAnswer::parse(&answer.encode()), Some(answer));
        }

        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300), kind in 0..3u8) {
            let bytes = if kind == 0 { bytes } else { [&[VERSION, kind][..], &bytes].concat() };
            _ = NodeRequest::parse(&bytes);
            _ = NodeAnswer::parse(&bytes);
        }
    }
}
