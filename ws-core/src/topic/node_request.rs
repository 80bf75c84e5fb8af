//! The requests between the processes of a hub, and their answers, as bytes.

use bytes::Bytes;

use crate::close::{Close, MAX_CLOSE_REASON};
use crate::connections::check_tag;

/// The first byte of every request and answer. A process ignores those of another version.
const VERSION: u8 = 1;

/// The second byte of a request to close connections.
const CLOSE: u8 = 1;

/// A request to the connections with a tag.
#[derive(Debug, PartialEq)]
pub(super) enum NodeRequest<'a> {
    /// version, `CLOSE`, length of the tag, tag, code (big-endian), reason
    Close { tag: &'a str, close: Close },
}

impl<'a> NodeRequest<'a> {
    /// Encodes the request. A tag that no connection can have is sent as the empty tag, which others ignore.
    pub(super) fn encode(&self) -> Bytes {
        let Self::Close { tag, close } = self;
        let tag = if check_tag(tag, 0, false).is_ok() { tag } else { "" };
        let len = u8::try_from(tag.len()).unwrap_or(0);
        let reason = close.reason.as_str();
        let reason = &reason[..reason.floor_char_boundary(MAX_CLOSE_REASON)];
        let code = u16::from(close.code).to_be_bytes();
        [&[VERSION, CLOSE, len], tag.as_bytes(), &code, reason.as_bytes()].concat().into()
    }

    /// Parses a request. Returns `None` if it is malformed, or beyond a bound.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [VERSION, CLOSE, len, rest @ ..] = bytes else { return None };
        let (tag, rest) = rest.split_at_checked(usize::from(*len))?;
        let tag = std::str::from_utf8(tag).ok().filter(|tag| check_tag(tag, 0, false).is_ok())?;
        let (code, reason) = rest.split_first_chunk()?;
        let reason = std::str::from_utf8(reason).ok().filter(|reason| reason.len() <= MAX_CLOSE_REASON)?;
        Some(Self::Close { tag, close: Close::from((u16::from_be_bytes(*code), reason)) })
    }
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

    #[test]
    fn requests_beyond_a_bound_are_malformed() {
        let encode = |tag: &str, close: Close| NodeRequest::Close { tag, close }.encode();
        let close = |reason: &str| Close::from((4003, reason));
        let parse = |bytes: &[u8]| NodeRequest::parse(bytes).is_some();
        assert!(parse(&encode(&"x".repeat(128), close(&"r".repeat(123)))));
        assert!(!parse(&encode("", close(""))));
        assert!(!parse(&encode(&"x".repeat(129), close(""))));
        // A longer reason is cut at a character.
        let request = encode("user:42", close(&"é".repeat(100)));
        let expected = NodeRequest::Close { tag: "user:42", close: close(&"é".repeat(61)) };
        assert_eq!(NodeRequest::parse(&request), Some(expected));
        // Unless it was not cut by a process like this one.
        assert!(!parse(&[&request[..], b"xx"].concat()));
        let mut other = request.to_vec();
        other[0] = 2;
        assert!(!parse(&other) && !parse(&request[..11]) && !parse(&[1, 1, 1, 0xFF, 0, 0]));
    }

    proptest! {
        #[test]
        fn requests_and_answers_survive_the_way(
            tag in "[a-zé]{1,64}", code: u16, reason in "[a-zé]{0,61}", node: u64, connections: usize,
        ) {
            let request = NodeRequest::Close { tag: &tag, close: Close::from((code, reason)) };
            let bytes = request.encode();
            prop_assert_eq!(NodeRequest::parse(&bytes), Some(request));
            let answer = NodeAnswer { node, connections };
            prop_assert_eq!(NodeAnswer::parse(&answer.encode()), Some(answer));
        }

        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300), is_versioned: bool) {
            let bytes = if is_versioned { [&[VERSION, CLOSE][..], &bytes].concat() } else { bytes };
            _ = NodeRequest::parse(&bytes);
            _ = NodeAnswer::parse(&bytes);
        }
    }
}
