//! The negotiation of `x-webkit-deflate-frame` (draft-tyoshino-hybi-websocket-perframe-deflate-06),
//! which Safari offered before it knew permessage-deflate.

use std::fmt::Write;

use hyper::header::HeaderValue;

use super::deflate::{parse_window_bits, set_once};
use super::{HeaderFields, extensions};
use crate::options::Compress;
use crate::wire::DeflateParams;

/// The parameters of one offer. An offer limits the server's frames, and the answer limits the client's
/// frames; the two directions are independent.
#[derive(Debug, Default)]
struct WebkitOffer {
    /// Whether a parameter is unknown, repeated, or has an invalid value.
    is_invalid: bool,
    max_window_bits: Option<u8>,
    no_context_takeover: bool,
}

/// Accepts the client's first acceptable offer, like `negotiate` of permessage-deflate.
pub(super) fn negotiate<F>(fields: &F, compress: Compress) -> Option<(DeflateParams, HeaderValue)>
where
    F: HeaderFields + ?Sized,
{
    let compress = compress.in_range();
    extensions::negotiate_first(fields, "x-webkit-deflate-frame", |parameters| {
        let mut offer = WebkitOffer::default();
        for (name, value) in parameters {
            offer.add(name, value.as_deref());
        }
        offer.accept(&compress)
    })
}

impl WebkitOffer {
    fn add(&mut self, name: &[u8], value: Option<&[u8]>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let is_valid = match value {
            None if is("no_context_takeover") => set_once(&mut self.no_context_takeover),
            Some(value) if is("max_window_bits") => {
                parse_window_bits(value).is_some_and(|bits| self.max_window_bits.replace(bits).is_none())
            }
            _ => false,
        };
        self.is_invalid |= !is_valid;
    }

    fn accept(self, compress: &Compress) -> Option<(DeflateParams, HeaderValue)> {
        let window_bits = compress.server_max_window_bits.min(self.max_window_bits.unwrap_or(15));
        // The encoder cannot write a stream with a window of 8 bits.
        if self.is_invalid || window_bits < 9 {
            return None;
        }
        // The answer holds only limits for the client; without limits, the answer equals Cowboy's.
        let mut answer = String::from("x-webkit-deflate-frame");
        if compress.client_no_context_takeover {
            answer.push_str("; no_context_takeover");
        }
        if compress.client_max_window_bits < 15 {
            let _ = write!(answer, "; max_window_bits={}", compress.client_max_window_bits);
        }
        let params = DeflateParams {
            level: compress.level,
            mem_level: compress.mem_level,
            window_bits,
            server_takeover: !(self.no_context_takeover || compress.server_no_context_takeover),
            client_takeover: !compress.client_no_context_takeover,
            min_size: compress.min_size,
            per_frame: true,
        };
        Some((params, HeaderValue::try_from(answer).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

    use super::*;

    /// Checks the server's answer to an offer; `""` means no answer.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Compress), offer: &str, expect: &str) -> Option<DeflateParams> {
        let mut compress = Compress::DEFAULT;
        change(&mut compress);
        let mut headers = HeaderMap::new();
        headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(offer).unwrap());
        let (params, answer) = negotiate(&headers, compress).unzip();
        assert_eq!(answer.map_or(String::new(), |it| it.to_str().unwrap().into()), expect, "{offer}");
        params
    }

    #[test]
    fn offers_and_answers() {
        let plain = check(|_| (), "x-webkit-deflate-frame", "x-webkit-deflate-frame").unwrap();
        assert!(plain.per_frame && plain.server_takeover && plain.client_takeover);
        assert_eq!(plain.window_bits, 15);
        let offer = "foo, X-WebKit-Deflate-Frame; max_window_bits=10; no_context_takeover";
        let limited = check(|_| (), offer, "x-webkit-deflate-frame").unwrap();
        assert_eq!(
            (limited.window_bits, limited.server_takeover, limited.client_takeover),
            (10, false, true)
        );
        let small = |compress: &mut Compress| {
            compress.server_max_window_bits = 9;
            compress.client_max_window_bits = 11;
            compress.client_no_context_takeover = true;
        };
        let expect = "x-webkit-deflate-frame; no_context_takeover; max_window_bits=11";
        let small = check(small, "x-webkit-deflate-frame", expect).unwrap();
        assert_eq!((small.window_bits, small.server_takeover, small.client_takeover), (9, true, false));
    }

    #[test]
    fn unacceptable_offers() {
        for parameters in [
            "max_window_bits=8",
            "max_window_bits=16",
            "max_window_bits",
            "no_context_takeover=1",
            "no_context_takeover; no_context_takeover",
            "max_window_bits=9; max_window_bits=10",
            "server_no_context_takeover",
        ] {
            check(|_| (), &format!("x-webkit-deflate-frame; {parameters}"), "");
            let second = format!("x-webkit-deflate-frame; {parameters}, x-webkit-deflate-frame");
            check(|_| (), &second, "x-webkit-deflate-frame");
        }
        check(|_| (), "deflate-frame", "");
        check(|_| (), "permessage-deflate", "");
        check(|_| (), "x-webkit-deflate-frame, =", "");
    }
}
