//! Parses the head of a request, if it is a handshake as browsers send it. Any other head is left to
//! hyper, which also reports what is wrong with it.

use std::mem::MaybeUninit;

use bytes::Bytes;
use httparse::{Header, Status};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Uri};

use crate::router::Settings;
use crate::upgrade::HandshakeHeaders;

/// The maximum number of headers. Requests with more are left to hyper, up to `Router::max_headers`.
const MAX_HEADERS: usize = 64;

/// A handshake over HTTP/1.1, in a request without a body.
pub(super) struct RequestHead<'a> {
    target: &'a str,
    pub(super) handshake: HandshakeHeaders<'a>,
    pub(super) headers: &'a [Header<'a>],
    /// The length of the head in bytes.
    pub(super) len: usize,
}

impl<'a> RequestHead<'a> {
    /// Returns the path, if the target is an absolute path of plain characters, which needs no
    /// validation.
    pub(super) fn path(&self) -> Option<&'a str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~%?=&+,;:@!$'()*".contains(&byte);
        let is_path = self.target.starts_with('/') && self.target.bytes().all(is_plain);
        self.target.split('?').next().filter(|_| is_path)
    }
}

/// Parses a complete head within the limits of the server, and calls `then` with it.
pub(super) fn parse<R>(
    read: &[u8],
    limits: &Settings,
    then: impl FnOnce(&RequestHead<'_>) -> Option<R>,
) -> Option<R> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let Ok(Status::Complete(len)) = request.parse_with_uninit_headers(read, &mut headers) else {
        return None;
    };
    let is_too_large = len > limits.max_header_size || request.headers.len() > limits.max_headers;
    if request.method != Some("GET") || request.version != Some(1) || is_too_large {
        return None;
    }
    let handshake = HandshakeHeaders::scan(&*request.headers);
    let head = RequestHead { target: request.path?, handshake, headers: request.headers, len };
    if head.handshake.is_plain_handshake() { then(&head) } else { None }
}

/// Like [`parse`], but returns the parts that hyper would make of the head, and its length.
pub(super) fn to_parts(read: &Bytes, limits: &Settings) -> Option<(Parts, usize)> {
    parse(read, limits, |head| {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.uri = Uri::from_maybe_shared(read.slice_ref(head.target.as_bytes())).ok()?;
        parts.headers = HeaderMap::with_capacity(head.headers.len());
        for header in head.headers {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            parts.headers.append(name, HeaderValue::from_maybe_shared(read.slice_ref(header.value)).ok()?);
        }
        Some((parts, head.len))
    })
}
