//! The client's handshake (RFC 6455 §4.1).

use axum_core::body::Body;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::response::Parts;
use hyper::{Request, StatusCode, Uri};
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

use super::error::ConnectError;
use super::exchange::{BoxIo, Exchange, exchange};
use super::url::ServerUrl;
use crate::handler::is_token;

/// The headers of a client, and the subprotocols that it offers.
#[derive(Clone, Debug, Default)]
pub(super) struct HandshakeOffer {
    pub(super) headers: HeaderMap,
    /// The subprotocols, the preferred one first.
    pub(super) subprotocols: Vec<String>,
    /// Those of the session protocol. They are the last ones, because some servers select the first.
    pub(super) session: Vec<String>,
}

impl HandshakeOffer {
    /// Adds a header.
    pub(super) fn header(&mut self, name: &str, value: &str) -> Result<(), ConnectError> {
        let name = HeaderName::try_from(name)
            .map_err(|_| ConnectError::Header(format!("invalid name of a header: {name:?}")))?;
        if name == SEC_WEBSOCKET_PROTOCOL {
            return value.split(',').try_for_each(|name| self.subprotocol(name.trim()));
        }
        if belongs_to_handshake(&name) {
            return Err(ConnectError::Header(format!("the header `{name}` belongs to the handshake")));
        }
        // The value may be a secret.
        let value = HeaderValue::from_str(value)
            .map_err(|_| ConnectError::Header(format!("invalid value of the header `{name}`")))?;
        if name == HOST {
            self.headers.insert(name, value);
        } else {
            self.headers.append(name, value);
        }
        Ok(())
    }

    /// Adds a subprotocol after the earlier ones.
    pub(super) fn subprotocol(&mut self, name: &str) -> Result<(), ConnectError> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(ConnectError::Header(format!("the subprotocol {name:?} is not a token")));
        }
        if !self.subprotocols.iter().any(|known| known == name) {
            self.subprotocols.push(name.to_owned());
        }
        Ok(())
    }

    /// Checks that the server may select no subprotocol of the application.
    pub(super) fn without_selection(&self) -> Result<Option<Box<str>>, &'static str> {
        if self.subprotocols.is_empty() {
            Ok(None)
        } else {
            Err("the server selected none of the subprotocols")
        }
    }
}

fn belongs_to_handshake(name: &HeaderName) -> bool {
    matches!(*name, CONNECTION | UPGRADE | CONTENT_LENGTH | TRANSFER_ENCODING)
        || name.as_str().starts_with("sec-websocket-")
}

/// Opens a WebSocket over a byte stream. Returns the stream after the 101 and the subprotocol.
pub(super) async fn open(
    io: BoxIo,
    url: &ServerUrl,
    offer: &HandshakeOffer,
) -> Result<(BoxIo, Option<Box<str>>), ConnectError> {
    let key = generate_key();
    let request = request(url, offer, &key)?;
    match exchange(io, request, |status| status == StatusCode::SWITCHING_PROTOCOLS).await? {
        Exchange::Switched(parts, io) => {
            let subprotocol = verify(&parts, &key, offer).map_err(ConnectError::Handshake)?;
            Ok((io, subprotocol))
        }
        Exchange::Refused(Parts { status, headers, .. }, body) => {
            Err(ConnectError::Rejected { status, headers: Box::new(headers), body })
        }
    }
}

fn request(url: &ServerUrl, offer: &HandshakeOffer, key: &str) -> Result<Request<Body>, ConnectError> {
    let invalid = |error: hyper::http::Error| ConnectError::Url(error.to_string());
    let mut request = Request::get(Uri::from(url.path.clone()))
        .header(HOST, &*url.authority)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, key);
    let subprotocols = [&offer.subprotocols[..], &offer.session].concat();
    if !subprotocols.is_empty() {
        request = request.header(SEC_WEBSOCKET_PROTOCOL, subprotocols.join(", "));
    }
    let mut request = request.body(Body::empty()).map_err(invalid)?;
    if let Some(host) = offer.headers.get(HOST) {
        request.headers_mut().insert(HOST, host.clone());
    }
    for (name, value) in offer.headers.iter().filter(|(name, _)| **name != HOST) {
        request.headers_mut().append(name, value.clone());
    }
    Ok(request)
}

/// Checks the 101. Returns the subprotocol that the server has selected.
///
/// Like browsers, requires the server to select one of the subprotocols, if the client offers any.
fn verify(parts: &Parts, key: &str, offer: &HandshakeOffer) -> Result<Option<Box<str>>, &'static str> {
    let headers = &parts.headers;
    let mut upgrades = headers.get_all(UPGRADE).iter();
    let is_websocket =
        upgrades.next().is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !is_websocket || upgrades.next().is_some() {
        return Err("`Upgrade` is not `websocket`");
    }
    if !has_token(headers, &CONNECTION, "upgrade") {
        return Err("`Connection` does not contain `Upgrade`");
    }
    let mut accepts = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
    let accept = accepts.next().map(HeaderValue::as_bytes);
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) || accepts.next().is_some() {
        return Err("`Sec-WebSocket-Accept` does not belong to the client's key");
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err("the server selected an extension, but the client offers none");
    }
    let mut selected = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let subprotocol = selected.next();
    if selected.next().is_some() {
        return Err("the server selected more than one subprotocol");
    }
    match subprotocol {
        // The subprotocol that resumes a session is never selected.
        Some(name) => {
            match offer.subprotocols.iter().chain(offer.session.first()).find(|known| name == *known) {
                Some(name) => Ok(Some(name.as_str().into())),
                None => Err("the server selected a subprotocol that the client does not offer"),
            }
        }
        None => offer.without_selection(),
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|element| element.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use hyper::Response;

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    /// The value for [`KEY`] in RFC 6455 §1.3.
    const ACCEPT: (&str, &str) = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const UPGRADE: (&str, &str) = ("upgrade", "WebSocket");
    const CONNECTION: (&str, &str) = ("connection", "keep-alive, Upgrade");

    #[track_caller]
    fn check(headers: &[(&str, &str)], offered: &[&str], expect: Result<Option<&str>, &str>) {
        let mut response = Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let parts = response.body(()).unwrap().into_parts().0;
        let session = offered.iter().filter(|name| name.starts_with("ws-core")).map(ToString::to_string);
        let others = offered.iter().filter(|name| !name.starts_with("ws-core")).map(ToString::to_string);
        let (session, subprotocols) = (session.collect(), others.collect());
        let offer = HandshakeOffer { session, subprotocols, ..HandshakeOffer::default() };
        let found = verify(&parts, KEY, &offer);
        match expect {
            Ok(subprotocol) => assert_eq!(found, Ok(subprotocol.map(Into::into))),
            Err(expect) => assert!(found.as_ref().is_err_and(|rule| rule.contains(expect)), "{found:?}"),
        }
    }

    #[test]
    fn a_response_is_verified() {
        let with = |more: &[(&'static str, &'static str)]| [&[UPGRADE, CONNECTION, ACCEPT], more].concat();
        let selected = ("sec-websocket-protocol", "v2");
        check(&with(&[]), &[], Ok(None));
        check(&with(&[selected]), &["v1", "v2"], Ok(Some("v2")));
        check(&[CONNECTION, ACCEPT], &[], Err("`Upgrade`"));
        check(&[("upgrade", "h2c"), CONNECTION, ACCEPT], &[], Err("`Upgrade`"));
        check(&[("upgrade", "websocket, h2c"), CONNECTION, ACCEPT], &[], Err("`Upgrade`"));
        check(&with(&[("upgrade", "h2c")]), &[], Err("`Upgrade`"));
        check(&[UPGRADE, ACCEPT], &[], Err("`Connection`"));
        check(&[UPGRADE, ("connection", "Upgrades"), ACCEPT], &[], Err("`Connection`"));
        check(&[UPGRADE, CONNECTION], &[], Err("`Sec-WebSocket-Accept`"));
        check(&[UPGRADE, CONNECTION, ("sec-websocket-accept", KEY)], &[], Err("`Sec-WebSocket-Accept`"));
        check(&with(&[ACCEPT]), &[], Err("`Sec-WebSocket-Accept`"));
        check(&with(&[("sec-websocket-extensions", "permessage-deflate")]), &[], Err("extension"));
        check(&with(&[selected]), &[], Err("does not offer"));
        check(&with(&[selected]), &["V2"], Err("does not offer"));
        check(&with(&[selected, selected]), &["v2"], Err("more than one"));
        check(&with(&[]), &["v2"], Err("none of the subprotocols"));
        let session = ["ws-core.session.v1", "ws-core.resume.AAECAwQFBgcICQoLDA0ODw.1"];
        check(&with(&[]), &session, Ok(None));
        check(&with(&[("sec-websocket-protocol", session[0])]), &session, Ok(Some(session[0])));
        check(&with(&[("sec-websocket-protocol", session[1])]), &session, Err("does not offer"));
        check(&with(&[]), &["v2", session[0]], Err("none of the subprotocols"));
        check(&with(&[selected]), &["v2", session[0]], Ok(Some("v2")));
    }

    #[test]
    fn headers_of_the_handshake_are_refused() {
        let mut offer = HandshakeOffer::default();
        for (name, value) in
            [("x-room", "lobby"), ("x-room", "bar"), ("host", "b.example"), ("host", "c.example")]
        {
            offer.header(name, value).unwrap();
        }
        offer.header("Sec-WebSocket-Protocol", "v1, v2,v1").unwrap();
        assert_eq!(offer.subprotocols, ["v1", "v2"]);
        for (name, value) in [
            ("Connection", "close"),
            ("upgrade", "h2c"),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
            ("sec-websocket-key", KEY),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-protocol", "a b"),
            ("x y", "z"),
            ("x-room", "a\r\nb: c"),
        ] {
            let error = offer.header(name, value).unwrap_err();
            assert!(matches!(error, ConnectError::Header(_)), "{name}: {error}");
        }
        let url = ServerUrl::parse("ws://a.example/x?y").unwrap();
        let request = request(&url, &offer, KEY).unwrap();
        let lines: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value)).collect();
        assert_eq!(
            lines.iter().filter(|line| line.0 == "host").collect::<Vec<_>>(),
            [&("host", &HeaderValue::from_static("c.example"))]
        );
        assert_eq!(lines.iter().filter(|line| line.0 == "x-room").count(), 2);
        assert_eq!(request.uri(), "/x?y");
        assert_eq!(request.headers()["sec-websocket-protocol"], "v1, v2");
    }
}
