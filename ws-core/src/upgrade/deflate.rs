//! The negotiation of permessage-deflate (RFC 7692 §5 and §7.1).

use std::fmt::Write;

use hyper::header::HeaderValue;

use super::{HeaderFields, extensions};
use crate::options::Compress;
use crate::wire::DeflateParams;

/// The parameters of one offer of the extension.
#[derive(Debug, Default)]
struct DeflateOffer {
    /// Whether a parameter is unknown, repeated, or has an invalid value.
    is_invalid: bool,
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// The largest window of the client, if the client lets the server limit the window.
    client_max_window_bits: Option<u8>,
}

/// Accepts the client's first acceptable offer; returns the parameters in force and the header value that
/// announces them. An unacceptable offer is declined, but the handshake still succeeds (§5.1).
pub(super) fn negotiate<F>(fields: &F, compress: Compress) -> Option<(DeflateParams, HeaderValue)>
where
    F: HeaderFields + ?Sized,
{
    let compress = compress.in_range();
    extensions::negotiate_first(fields, "permessage-deflate", |parameters| {
        let mut offer = DeflateOffer::default();
        for (name, value) in parameters {
            offer.add(name, value.as_deref());
        }
        offer.accept(&compress)
    })
}

impl DeflateOffer {
    fn add(&mut self, name: &[u8], value: Option<&[u8]>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let is_valid = match value {
            None if is("server_no_context_takeover") => set_once(&mut self.server_no_context_takeover),
            None if is("client_no_context_takeover") => set_once(&mut self.client_no_context_takeover),
            // §7.1.2.2 allows the parameter without a value: the client accepts any limit.
            None if is("client_max_window_bits") => self.client_max_window_bits.replace(15).is_none(),
            Some(value) if is("client_max_window_bits") => parse_window_bits(value)
                .is_some_and(|bits| self.client_max_window_bits.replace(bits).is_none()),
            Some(value) if is("server_max_window_bits") => parse_window_bits(value)
                .is_some_and(|bits| self.server_max_window_bits.replace(bits).is_none()),
            _ => false,
        };
        self.is_invalid |= !is_valid;
    }

    fn accept(self, compress: &Compress) -> Option<(DeflateParams, HeaderValue)> {
        let server_bits = compress.server_max_window_bits.min(self.server_max_window_bits.unwrap_or(15));
        // The encoder cannot write a stream with a window of 8 bits, so the server must not promise one.
        if self.is_invalid || server_bits < 9 {
            return None;
        }
        let server_takeover = !(self.server_no_context_takeover || compress.server_no_context_takeover);
        let client_takeover = !(self.client_no_context_takeover || compress.client_no_context_takeover);

        let mut answer = String::from("permessage-deflate");
        if !server_takeover {
            answer.push_str("; server_no_context_takeover");
        }
        if !client_takeover {
            answer.push_str("; client_no_context_takeover");
        }
        if self.server_max_window_bits.is_some() || server_bits < 15 {
            let _ = write!(answer, "; server_max_window_bits={server_bits}");
        }
        if let Some(offered) = self.client_max_window_bits {
            let bits = compress.client_max_window_bits.min(offered);
            let _ = write!(answer, "; client_max_window_bits={bits}");
        }
        let params = DeflateParams {
            level: compress.level,
            mem_level: compress.mem_level,
            window_bits: server_bits,
            server_takeover,
            client_takeover,
            min_size: compress.min_size,
            per_frame: false,
        };
        Some((params, HeaderValue::try_from(answer).ok()?))
    }
}

/// Sets a flag; returns false if the flag was set already.
pub(super) fn set_once(flag: &mut bool) -> bool {
    !std::mem::replace(flag, true)
}

/// Parses the bits of a window: "a decimal integer value without leading zeroes between 8 to 15,
/// inclusive".
pub(super) fn parse_window_bits(value: &[u8]) -> Option<u8> {
    (8..=15).find(|bits: &u8| bits.to_string().as_bytes() == value)
}

#[cfg(test)]
mod tests;
