//! The negotiation of `x-webkit-deflate-frame` (draft-tyoshino-hybi-websocket-perframe-deflate-06),
//! which Safari offered before permessage-deflate.

use std::fmt::Write;

use hyper::header::HeaderValue;

use super::deflate::{parse_window_bits, set_once};
use super::{HeaderFields, extensions};
use crate::options::Compress;
use crate::wire::DeflateParams;

/// One offer: what the client asks of the server's frames. What the server asks of the client's, it
/// says in its answer; the two directions know nothing of each other.
#[derive(Debug, Default)]
struct WebkitOffer {
    /// Whether a parameter is unknown, stands twice, or has a value that it cannot have.
    is_invalid: bool,
    max_window_bits: Option<u8>,
    no_context_takeover: bool,
}

/// Takes the first offer of the client that can be met, as permessage-deflate does.
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
        // The encoder writes no stream with a window of 8 bits.
        if self.is_invalid || window_bits < 9 {
            return None;
        }
        // What is asked of the client is said, and nothing else, so that without it the answer is
        // Cowboy's.
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

    /// What the server answers to an offer, `""` for nothing.
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
        let asked = check(|_| (), offer, "x-webkit-deflate-frame").unwrap();
        assert_eq!((asked.window_bits, asked.server_takeover, asked.client_takeover), (10, false, true));
        let small = |compress: &mut Compress| {
            compress.server_max_window_bits = 9;
            compress.client_max_window_bits = 11;
            compress.client_no_context_takeover = true;
        };
        let expect = "x-webkit-deflate-frame; no_context_takeover; max_window_bits=11";
        let told = check(small, "x-webkit-deflate-frame", expect).unwrap();
        assert_eq!((told.window_bits, told.server_takeover, told.client_takeover), (9, true, false));
    }

    #[test]
    fn offers_that_cannot_be_met() {
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
