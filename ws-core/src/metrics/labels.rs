//! The values of labels, of which there is a fixed number.

use tungstenite::protocol::frame::coding::CloseCode;

use crate::close::{CloseReason, ProtocolError};

/// Returns the label of a close reason: one for each variant.
pub(super) fn reason_label(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::Remote(_) => "remote",
        CloseReason::Stop(_) => "stop",
        CloseReason::Timeout => "timeout",
        CloseReason::PongTimeout => "pong_timeout",
        CloseReason::Expired => "expired",
        CloseReason::Protocol(ProtocolError::BadFrame(_)) => "bad_frame",
        CloseReason::Protocol(ProtocolError::BadEncoding) => "bad_encoding",
        CloseReason::Protocol(ProtocolError::BadCompression) => "bad_compression",
        CloseReason::Protocol(ProtocolError::MessageTooBig) => "message_too_big",
        CloseReason::Protocol(ProtocolError::LimitExceeded) => "limit_exceeded",
        CloseReason::Unsupported => "unsupported",
        CloseReason::Error { .. } => "error",
        CloseReason::Panic(_) => "panic",
        CloseReason::Overflow => "overflow",
        CloseReason::ConnectionLost(_) => "connection_lost",
        CloseReason::Requested(_) => "requested",
        CloseReason::Shutdown => "shutdown",
        CloseReason::Superseded => "superseded",
    }
}

/// Returns the label of a close code. A client may send any of 2,000 codes, so those of libraries and applications share
/// a label each.
pub(super) fn code_label(code: Option<CloseCode>) -> &'static str {
    match code.map(u16::from) {
        None => "none",
        Some(1000) => "1000",
        Some(1001) => "1001",
        Some(1002) => "1002",
        Some(1003) => "1003",
        Some(1005) => "1005",
        Some(1007) => "1007",
        Some(1008) => "1008",
        Some(1009) => "1009",
        Some(1010) => "1010",
        Some(1011) => "1011",
        Some(1012) => "1012",
        Some(1013) => "1013",
        Some(1014) => "1014",
        Some(3000..=3999) => "3xxx",
        Some(4000..=4999) => "4xxx",
        Some(_) => "other",
    }
}
