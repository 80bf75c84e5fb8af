//! The transports of sessions over HTTP: server-sent events, long polls, and the POSTs of both.

#![expect(clippy::result_large_err, reason = "the error is a response too")]

use std::any::type_name;
use std::net::IpAddr;
use std::time::Duration;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::header::{ALLOW, CONTENT_TYPE, Entry, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};

use super::PeerAddr;
use super::bullet::{HEADERS, METHODS, accepts_events, add_headers, body_limit, read_body};
use super::endpoint::{Mount, RouterContext, reject};
use super::refusal::RefusedRequest;
use super::session::session_scope;
use crate::clock::timeout_past_io;
use crate::handler::{Handler, OnUpgrade};
use crate::transport::http::{
    DeliveryError, MAX_NUMBER, PostBody, ResponseKind, SessionBody, SessionEvents, carrier, deliver,
};
use crate::transport::session::Token;
use crate::upgrade::{self, HandshakeRejection, HandshakeResponse, cors};

const TOKEN: HeaderName = HeaderName::from_static("ws-core-session");
const PROTOCOLS: HeaderName = HeaderName::from_static("ws-core-protocols");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Returns whether a request is one of the session protocol. With the option `bullet`, requests without a token are
/// Bullet's. Otherwise a `GET` of a page is none.
pub(super) fn takes(method: &Method, headers: &HeaderMap, is_bullet: bool) -> bool {
    let is_page = matches!(*method, Method::GET | Method::HEAD) && !accepts_events(headers);
    headers.contains_key(TOKEN) || !is_bullet && !is_page
}

fn text(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}

impl<H: Handler> Mount<H> {
    /// Responds to a request of the session protocol.
    pub(super) async fn call_session<S>(
        &self,
        request: Request<Body>,
        state: &S,
        context: RouterContext<'_>,
    ) -> Response
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let (mut parts, body) = request.into_parts();
        // The name that extractors and the check of the handshake know.
        if let Entry::Occupied(protocols) = parts.headers.entry(PROTOCOLS) {
            let (_, protocols) = protocols.remove_entry_mult();
            let protocols: Vec<_> = protocols.collect();
            parts.headers.remove(SEC_WEBSOCKET_PROTOCOL);
            for protocols in protocols {
                parts.headers.append(SEC_WEBSOCKET_PROTOCOL, protocols);
            }
        }
        let checked = upgrade::check_http(&parts, &self.options);
        let is_allowed = checked.is_ok();
        let result = match checked {
            Ok(checked) => match parts.method {
                Method::GET => self.carry_session(&mut parts, checked, state, context).await,
                Method::POST => self.post_to_session(&parts, body, context).await,
                Method::OPTIONS => {
                    let mut response = StatusCode::NO_CONTENT.into_response();
                    response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
                    cors::add_preflight_headers(&parts.headers, "GET, POST", HEADERS, response.headers_mut());
                    Ok(response)
                }
                _ => Err(reject(HandshakeRejection::Method(METHODS))),
            },
            Err(rejection) => Err(reject(rejection)),
        };
        let mut response = result.unwrap_or_else(|mut response| {
            let request = RefusedRequest {
                handler: type_name::<H>(),
                path: parts.uri.path(),
                peer: parts.extensions.get::<PeerAddr>().map(|peer| peer.0),
                fields: &parts.headers,
            };
            context.settings.refusals.log(&request, &mut response);
            response
        });
        cors::add_headers(&parts.headers, is_allowed, response.headers_mut());
        response
    }

    /// Begins or resumes a session, whose connection is the response.
    async fn carry_session<S>(
        &self,
        parts: &mut Parts,
        mut checked: HandshakeResponse,
        state: &S,
        context: RouterContext<'_>,
    ) -> Result<Response, Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        checked.disable_extensions();
        let kind = if accepts_events(&parts.headers) { ResponseKind::Events } else { ResponseKind::Poll };
        let received = last_event_id(&parts.headers)?;
        let token = match session_token(&parts.headers)? {
            Some("new") | None => None,
            Some(token) => Some(check_token(token)?),
        };
        let link = token.and_then(|token| self.sessions.find(token, &session_scope(parts)));
        let reservation = link.and_then(|link| link.reserve(received));
        let received = if reservation.is_some() { received } else { 0 };
        let is_new = reservation.is_none();
        let (events, attachment) = SessionEvents::connect(kind, &self.options, received, peer(parts));
        let headers = if let Some(reservation) = reservation {
            reservation.attach(attachment);
            HeaderMap::new()
        } else {
            let (pending, _, headers) = self.prepare_session(checked, parts, state, context).await?;
            pending.start(attachment);
            headers
        };
        let (content_type, body) = match kind {
            ResponseKind::Events => ("text/event-stream", Body::new(SessionBody::new(events))),
            ResponseKind::Poll => {
                let body = events.into_poll(is_new, self.poll_timeout()).await;
                ("text/plain; charset=utf-8", Body::from(body))
            }
        };
        let mut response = Response::new(body);
        add_headers(content_type, headers, response.headers_mut());
        Ok(response)
    }

    fn poll_timeout(&self) -> Duration {
        self.options.session.unwrap_or_default().poll_timeout
    }

    /// Passes the messages of a POST to their session.
    async fn post_to_session(
        &self,
        parts: &Parts,
        body: Body,
        context: RouterContext<'_>,
    ) -> Result<Response, Response> {
        let Some(token) = session_token(&parts.headers)? else {
            return Err(text(StatusCode::BAD_REQUEST, "Ws-Core-Session is missing"));
        };
        let token = check_token(token)?;
        if !is_json(&parts.headers) {
            return Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the Content-Type is not application/json"));
        }
        let link = self.sessions.find(token, &session_scope(parts)).ok_or_else(over)?;
        carrier(&link).map_err(refuse_delivery)?;
        if link.peer() != peer(parts) {
            let why = "the session belongs to a connection from another address: resume it first";
            return Err(text(StatusCode::FORBIDDEN, why));
        }
        let Some(_permit) = link.begin_post() else {
            return Err(text(StatusCode::TOO_MANY_REQUESTS, "too many POSTs of the session at once"));
        };
        // Each byte of a text has up to six in JSON.
        let limit = body_limit(&self.options).saturating_mul(6).saturating_add(1024);
        let mut deadline = tokio::time::Instant::now() + context.settings.handshake_timeout;
        let body = timeout_past_io(&mut deadline, read_body(parts, body, limit)).await;
        let body = body.unwrap_or(Err(HandshakeRejection::SlowBody)).map_err(reject)?;
        let post = PostBody::parse(&body).map_err(|why| text(StatusCode::BAD_REQUEST, &why))?;
        // The allocation of a large body is not kept while the POST waits.
        drop(body);
        match tokio::time::timeout(self.poll_timeout(), deliver(&link, post)).await {
            Ok(Err(error)) => Err(refuse_delivery(error)),
            _ => {
                let body = format!("{{\"received\":{}}}", link.received());
                let mut response = Response::new(Body::from(body));
                add_headers("application/json", HeaderMap::new(), response.headers_mut());
                Ok(response)
            }
        }
    }
}

fn over() -> Response {
    text(StatusCode::GONE, "the session is over or unknown: begin a new one")
}

/// Returns the response to a POST whose messages its session does not take.
fn refuse_delivery(error: DeliveryError) -> Response {
    match error {
        DeliveryError::Over => over(),
        DeliveryError::NotCarried => {
            text(StatusCode::CONFLICT, "no events and no poll carry the session: resume it first")
        }
        DeliveryError::Gap => text(StatusCode::CONFLICT, "messages before `first` are missing"),
        DeliveryError::UnsentAck => text(
            StatusCode::BAD_REQUEST,
            "`ack` is the number of a message that was not sent on this connection",
        ),
    }
}

/// Returns the number of the last message that the client has, 0 without the header.
fn last_event_id(headers: &HeaderMap) -> Result<u64, Response> {
    let Some(id) = single(headers, &LAST_EVENT_ID)? else { return Ok(0) };
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let number = id.parse().ok().filter(|number| is_number && *number <= MAX_NUMBER);
    number.ok_or_else(|| text(StatusCode::BAD_REQUEST, "Last-Event-ID is not the id of an event"))
}

/// Returns the value of `Ws-Core-Session`.
fn session_token(headers: &HeaderMap) -> Result<Option<&str>, Response> {
    single(headers, &TOKEN)
}

/// Checks the form of a token.
fn check_token(token: &str) -> Result<&str, Response> {
    let is_token = Token::parse(token).is_some();
    is_token.then_some(token).ok_or_else(|| text(StatusCode::BAD_REQUEST, "Ws-Core-Session is not a token"))
}

/// Returns the value of a header that may occur once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Response> {
    let malformed =
        || text(StatusCode::BAD_REQUEST, &format!("the header {name} occurs twice or is not text"));
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| malformed()),
        (Some(_), Some(_)) => Err(malformed()),
    }
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<PeerAddr>().map(|peer| peer.0.ip())
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
