//! The transports of sessions over HTTP: server-sent events, long polls, and the POSTs of both.

use std::any::{Any, type_name};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};

use super::PeerAddr;
use super::bullet::{HEADERS, METHODS, accepts_events, add_headers, body_limit, read_body};
use super::endpoint::{Mount, RouterContext, reject};
use super::refusal::RefusedRequest;
use super::session::session_scope;
use crate::clock::timeout_past_io;
use crate::handler::{Handler, OnUpgrade};
use crate::transport::http::{HttpChannel, PostBody, RETRY, SessionBody, SessionEvents};
use crate::transport::session::{Attachment, SessionLink};
use crate::upgrade::{self, HandshakeRejection, HandshakeResponse, cors};

const TOKEN: HeaderName = HeaderName::from_static("ws-core-session");
const PROTOCOLS: HeaderName = HeaderName::from_static("ws-core-protocols");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How soon after a poll the next one has to follow, so that the session counts as attached.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// How often a POST looks for the next poll.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Returns whether a request is one of the session protocol. With the option `bullet`, requests without a token are
/// Bullet's. Otherwise a `GET` of a page is none.
pub(super) fn takes(method: &Method, headers: &HeaderMap, is_bullet: bool) -> bool {
    let is_page = matches!(*method, Method::GET | Method::HEAD) && !accepts_events(headers);
    headers.contains_key(TOKEN) || !is_bullet && !is_page
}

fn text(status: StatusCode, text: &'static str) -> Response {
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
        if let Some(protocols) = parts.headers.remove(PROTOCOLS) {
            parts.headers.insert(SEC_WEBSOCKET_PROTOCOL, protocols);
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
        let is_stream = accepts_events(&parts.headers);
        let received = match parts.headers.get(LAST_EVENT_ID) {
            None => Ok(0),
            Some(id) => id.to_str().map_err(drop).and_then(|id| id.parse().map_err(drop)),
        };
        let received: u64 = received
            .map_err(|()| text(StatusCode::BAD_REQUEST, "Last-Event-ID is not the id of an event"))?;
        let token = parts.headers.get(TOKEN).and_then(|token| token.to_str().ok());
        let link = token.and_then(|token| self.sessions.find(token, &session_scope(parts)));
        let reservation = link.and_then(|link| link.reserve(received));
        let received = if reservation.is_some() { received } else { 0 };
        let is_new = reservation.is_none();
        let (mut events, stream, channel) = SessionEvents::new(received);
        let attachment = Attachment {
            channel: Some(channel),
            interval: if is_stream { self.options.ping_interval } else { Some(self.poll_timeout()) },
            grace: if is_stream { Duration::ZERO } else { POLL_GRACE },
            ..Attachment::new(Box::new(stream), Vec::new(), received, peer(parts))
        };
        let headers = if let Some(reservation) = reservation {
            reservation.attach(attachment);
            HeaderMap::new()
        } else {
            let (pending, _, headers) = self.prepare_session(checked, parts, state, context).await?;
            pending.start(attachment);
            headers
        };
        let (content_type, mut response) = if is_stream {
            ("text/event-stream", Response::new(Body::new(SessionBody::new(events))))
        } else {
            let mut out = RETRY.to_vec();
            // Without a message, the response has the first object only.
            _ = tokio::time::timeout(self.poll_timeout(), events.poll(is_new, &mut out)).await;
            events.end();
            ("text/plain; charset=utf-8", Response::new(Body::from(out)))
        };
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
        let Some(token) = parts.headers.get(TOKEN).and_then(|token| token.to_str().ok()) else {
            return Err(text(StatusCode::BAD_REQUEST, "Ws-Core-Session is missing"));
        };
        if !is_json(&parts.headers) {
            return Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the Content-Type is not application/json"));
        }
        let link = self.sessions.find(token, &session_scope(parts)).ok_or_else(over)?;
        if link.channel().is_none() {
            return Err(not_carried(&link));
        }
        if link.peer() != peer(parts) {
            let why = "the session belongs to a connection from another address: resume it first";
            return Err(text(StatusCode::FORBIDDEN, why));
        }
        // Each byte of a text has up to six in JSON.
        let limit = body_limit(&self.options).saturating_mul(6).saturating_add(1024);
        let deadline = tokio::time::Instant::now() + context.settings.handshake_timeout;
        let body = timeout_past_io(deadline, read_body(parts, body, limit)).await;
        let body = body.unwrap_or(Err(HandshakeRejection::SlowBody)).map_err(reject)?;
        let post = PostBody::parse(&body).map_err(|why| text(StatusCode::BAD_REQUEST, why))?;
        match tokio::time::timeout(self.poll_timeout(), pass_on(&link, post)).await {
            Ok(Err(response)) => Err(response),
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

/// Returns the response to a POST for a session that has no connection with a channel.
fn not_carried(link: &SessionLink) -> Response {
    if link.is_over() {
        return over();
    }
    text(StatusCode::CONFLICT, "no events and no poll carry the session: resume it first")
}

/// Passes the messages of a POST to their session, over one connection after another, until the session has them.
async fn pass_on(link: &SessionLink, post: PostBody) -> Result<(), Response> {
    let PostBody { first, messages, mut ack, mut close } = post;
    let last = first.saturating_add(messages.len() as u64) - 1;
    let received = || link.received();
    loop {
        let carrier = link.channel().map(|channel| (channel as Arc<dyn Any + Send + Sync>).downcast());
        let channel: Arc<HttpChannel> = match carrier {
            Some(Ok(channel)) => channel,
            _ => return Err(not_carried(link)),
        };
        let gap = |_| text(StatusCode::CONFLICT, "messages before `first` are missing");
        let accepted = channel.send(first, &messages, received).await.map_err(gap)?;
        if accepted >= last {
            for frame in [&mut ack, &mut close] {
                if let Some(bytes) = frame.clone()
                    && channel.send_frame(bytes).await
                {
                    *frame = None;
                }
            }
            channel.wait(last, received).await;
        }
        if received() >= last && ack.is_none() && close.is_none() {
            return Ok(());
        }
        // The connection has ended, and a poll has a successor soon.
        tokio::time::sleep(RETRY_INTERVAL).await;
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
