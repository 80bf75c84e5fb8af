//! Frame headers (RFC 6455 §5.2).

use bytes::Bytes;

use crate::close::ProtocolError;
use crate::message::MAX_CONTROL_PAYLOAD;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn parse(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    pub(crate) fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The header of a frame from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    pub(crate) opcode: Opcode,
    /// Whether the frame starts a compressed message, or is compressed by itself.
    pub(crate) compressed: bool,
    pub(crate) mask: [u8; 4],
    /// The length of the payload in bytes.
    pub(crate) len: usize,
    /// The length of the header in bytes.
    pub(crate) size: usize,
}

impl Header {
    /// Parses a header in wire order, so that each error is reported at the first byte that proves it.
    ///
    /// Returns `None` if the header is incomplete. `continues` is whether a fragmented message is in
    /// progress. `max_len` limits the payload of a data frame, and `max_compressed_len` that of a frame which
    /// starts a compressed message; `None` rejects such frames.
    #[inline]
    pub(crate) fn parse(
        input: &[u8],
        continues: bool,
        mut max_len: usize,
        max_compressed_len: Option<usize>,
    ) -> Result<Option<Self>, ProtocolError> {
        let Some(&first) = input.first() else { return Ok(None) };
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values."
        // RFC 7692 §6 defines the first bit, for the first frame of a message.
        let compressed = first & 0x70 != 0;
        if compressed {
            let starts = matches!(first & 0x0f, 1 | 2);
            match max_compressed_len {
                Some(limit) if starts && first & 0x70 == 0x40 => max_len = limit,
                _ => return Err(ProtocolError::BadFrame("reserved bits are set")),
            }
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::parse(first & 0x0f).ok_or(ProtocolError::BadFrame("opcode is unknown"))?;
        match opcode {
            Opcode::Continuation if !continues => {
                return Err(ProtocolError::BadFrame("continuation without a message"));
            }
            Opcode::Text | Opcode::Binary if continues => {
                return Err(ProtocolError::BadFrame("new message inside a fragmented one"));
            }
            // §5.5: "All control frames […] MUST NOT be fragmented."
            _ if opcode.is_control() && !fin => {
                return Err(ProtocolError::BadFrame("fragmented control frame"));
            }
            _ => {}
        }

        let Some(&second) = input.get(1) else { return Ok(None) };
        // §5.1: "The server MUST close the connection upon receiving a frame that is not masked."
        if second & 0x80 == 0 {
            return Err(ProtocolError::BadFrame("frame is not masked"));
        }
        let (len, at) = match second & 0x7f {
            short @ 0..=125 => (usize::from(short), 2),
            // §5.5: "All control frames MUST have a payload length of 125 bytes or less."
            _ if opcode.is_control() => return Err(ProtocolError::BadFrame("control frame is too long")),
            126 => match input.get(2..).and_then(<[u8]>::first_chunk) {
                Some(&bytes) => (check_minimal(u64::from(u16::from_be_bytes(bytes)), 126)?, 4),
                None => return Ok(None),
            },
            _ => match input.get(2..).and_then(<[u8]>::first_chunk) {
                Some(&bytes) => (check_minimal(u64::from_be_bytes(bytes), 1 << 16)?, 10),
                None => return Ok(None),
            },
        };
        if opcode == Opcode::Close && len == 1 {
            return Err(ProtocolError::BadFrame("close frame with an incomplete code"));
        }
        if !opcode.is_control() && len > max_len {
            return Err(ProtocolError::MessageTooBig);
        }

        Ok(input.get(at..).and_then(<[u8]>::first_chunk).map(|&mask| Self {
            fin,
            opcode,
            compressed,
            mask,
            len,
            size: at + 4,
        }))
    }
}

/// Checks a length of several bytes (RFC 6455 §5.2): "the minimal number of bytes MUST be used to encode the
/// length", and "the most significant bit MUST be 0".
fn check_minimal(len: u64, least: u64) -> Result<usize, ProtocolError> {
    if len < least {
        return Err(ProtocolError::BadFrame("length is not minimal"));
    }
    if len >> 63 != 0 {
        return Err(ProtocolError::BadFrame("length has its highest bit set"));
    }
    // A length beyond the address space exceeds every limit.
    Ok(usize::try_from(len).unwrap_or(usize::MAX))
}

/// The largest header of a frame from a client, in bytes.
pub(crate) const MAX_CLIENT_HEADER: usize = 14;

/// The largest header of a frame to a client, in bytes.
pub(crate) const MAX_HEADER: usize = 10;

/// The bit of the last frame of a message.
pub(crate) const FIN: u8 = 0x80;

/// The reserved bit of a compressed message (RFC 7692 §6).
pub(crate) const COMPRESSED: u8 = 0x40;

/// Returns the header of a frame of at most 125 bytes, or `None` for a longer one.
#[inline]
pub(crate) fn short_header(opcode: Opcode, len: usize) -> Option<[u8; 2]> {
    let len = u8::try_from(len).ok().filter(|&len| usize::from(len) <= MAX_CONTROL_PAYLOAD)?;
    Some([FIN | opcode as u8, len])
}

/// Writes the header of an unfragmented, unmasked frame, and returns its length.
pub(crate) fn write_header(to: &mut [u8; MAX_HEADER], opcode: Opcode, len: usize) -> usize {
    to[0] = FIN | opcode as u8;
    if let Some(short) = short_header(opcode, len) {
        to[..2].copy_from_slice(&short);
        2
    } else if let Ok(len) = u16::try_from(len) {
        to[1] = 126;
        to[2..4].copy_from_slice(&len.to_be_bytes());
        4
    } else {
        to[1] = 127;
        to[2..].copy_from_slice(&(len as u64).to_be_bytes());
        10
    }
}

/// Encodes a complete frame with the reserved bits `rsv`.
pub(crate) fn encode_frame(opcode: Opcode, rsv: u8, payload: &[u8]) -> Bytes {
    let mut header = [0; MAX_HEADER];
    let size = write_header(&mut header, opcode, payload.len());
    header[0] |= rsv;
    [&header[..size], payload].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u8], expect: Result<Option<(bool, Opcode, usize, usize)>, ProtocolError>) {
        let got = Header::parse(input, false, 1 << 20, None);
        assert_eq!(got.map(|h| h.map(|h| (h.fin, h.opcode, h.len, h.size))), expect, "{input:02x?}");
    }

    #[test]
    fn parses_headers_in_wire_order() {
        let bad = |what| Err(ProtocolError::BadFrame(what));
        check(&[], Ok(None));
        check(&[0x81], Ok(None));
        check(&[0x81, 0x85, 1, 2, 3], Ok(None));
        check(&[0x81, 0x85, 1, 2, 3, 4], Ok(Some((true, Opcode::Text, 5, 6))));
        check(&[0x02, 0xfe, 0, 126, 1, 2, 3, 4], Ok(Some((false, Opcode::Binary, 126, 8))));
        check(&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], Ok(Some((true, Opcode::Binary, 65536, 14))));
        // Errors in the first byte.
        check(&[0xc1], bad("reserved bits are set"));
        check(&[0x83], bad("opcode is unknown"));
        check(&[0x8b], bad("opcode is unknown"));
        check(&[0x80], bad("continuation without a message"));
        check(&[0x09], bad("fragmented control frame"));
        // Errors in the second byte.
        check(&[0x81, 0x05], bad("frame is not masked"));
        check(&[0x89, 0xfe], bad("control frame is too long"));
        check(&[0x88, 0x81], bad("close frame with an incomplete code"));
        // Errors in the length are reported before the masking key arrives.
        check(&[0x81, 0xfe, 0, 125], bad("length is not minimal"));
        check(&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], bad("length is not minimal"));
        check(&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], bad("length has its highest bit set"));
        check(&[0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1], Err(ProtocolError::MessageTooBig));
    }

    #[test]
    fn rejects_a_message_inside_a_fragmented_one() {
        let inside = Err(ProtocolError::BadFrame("new message inside a fragmented one"));
        assert_eq!(Header::parse(&[0x81], true, 10, None), inside);
        assert_eq!(Header::parse(&[0x80], true, 10, None), Ok(None));
        assert_eq!(Header::parse(&[0x89], true, 10, None), Ok(None));
    }
}
