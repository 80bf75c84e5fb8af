//! The option `bullet`: a handler for requests other than handshakes, as Bullet had it.
//!
//! Bullet was the library of Cowboy's author for browsers without WebSockets. Each request is a connection with a
//! handler of its own, as there, and the engine runs it like any other.

use std::any::type_name;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::body::Body as _;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};

use super::PeerAddr;
use super::endpoint::{Mount, RouterContext, reject};
use super::refusal::RefusedRequest;
use crate::clock::timeout_past_io;
use crate::driver;
use crate::handler::{Handler, OnUpgrade};
use crate::options::Options;
use crate::transport::http::{EventBody, FrameClient, ReplyBody, ServerClose, close_frame, text_frame};
use crate::upgrade::{self, HandshakeRejection, HandshakeResponse, cors};

pub(super) const METHODS: &str = "GET, POST, OPTIONS";

/// The headers that a page of another origin may send.
pub(super) const HEADERS: &str =
    "content-type, last-event-id, ws-core-session, ws-core-protocols, x-socket-transport";

/// Keeps nginx from collecting the events.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How many bytes of a POST's reply are held back until the connection ends, so that the status can be that of the
/// end.
const MAX_HELD: usize = 16 << 10;

/// How much longer than the client waits for it a method of a POST may run.
const GRACE: Duration = Duration::from_secs(1);

/// The transports of Bullet beside the WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BulletTransport {
    Events,
    Poll,
    Post,
}

impl<H: Handler> Mount<H> {
    /// Responds to a request other than a handshake.
    pub(super) async fn call_bullet<S>(
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
        let checked = upgrade::check_http(&parts, &self.options);
        let is_allowed = checked.is_ok();
        let mut response = match checked {
            Ok(checked) => self.try_call_bullet(&mut parts, body, checked, state, context).await,
            Err(rejection) => Err(reject(rejection)),
        };
        if let Err(response) = &mut response {
            let request = RefusedRequest {
                handler: type_name::<H>(),
                path: parts.uri.path(),
                peer: parts.extensions.get::<PeerAddr>().map(|peer| peer.0),
                fields: &parts.headers,
            };
            context.settings.refusals.log(&request, response);
        }
        let (Ok(mut response) | Err(mut response)) = response;
        cors::add_headers(&parts.headers, is_allowed, response.headers_mut());
        response
    }

    /// Runs the handler of a request whose origin is allowed.
    async fn try_call_bullet<S>(
        &self,
        parts: &mut Parts,
        body: Body,
        checked: HandshakeResponse,
        state: &S,
        context: RouterContext<'_>,
    ) -> Result<Response, Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let transport = match parts.method {
            Method::GET if accepts_events(&parts.headers) => BulletTransport::Events,
            Method::GET => BulletTransport::Poll,
            Method::POST => BulletTransport::Post,
            Method::OPTIONS => {
                let mut response = StatusCode::NO_CONTENT.into_response();
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
                cors::add_preflight_headers(&parts.headers, "GET, POST", HEADERS, response.headers_mut());
                return Ok(response);
            }
            _ => return Err(reject(HandshakeRejection::Method(METHODS))),
        };
        let peer = parts.extensions.get::<PeerAddr>().map(|addr| addr.0);
        let permit = context.admit(peer).map_err(reject)?;
        let handshake_timeout = context.settings.handshake_timeout;
        let message = match transport {
            BulletTransport::Post => {
                let limit = body_limit(&self.options);
                let mut deadline = tokio::time::Instant::now() + handshake_timeout;
                let message = timeout_past_io(&mut deadline, read_body(parts, body, limit)).await;
                Some(message.unwrap_or(Err(HandshakeRejection::SlowBody)).map_err(reject)?)
            }
            _ => None,
        };
        let made = self.make_handler(checked, parts, state, Some(&permit));
        let made = tokio::time::timeout(handshake_timeout, made).await;
        let (mut setup, _, headers) = made.map_err(|_| reject(HandshakeRejection::Timeout))??;
        // The offer of an extension without a handshake means nothing.
        setup.compression = None;
        let mut input = Vec::new();
        let options = Arc::make_mut(&mut setup.options);
        let wait = options.idle_timeout;
        // An empty response is to a poll what a ping is to an open connection.
        let poll_wait = options.ping_interval.into_iter().chain(wait).min();
        let close_timeout = options.close_timeout;
        if let Some(message) = &message {
            // The close frame follows at once, and ends neither methods nor futures that the message started.
            input = [text_frame(message), close_frame()].concat();
            options.cancel_timeout = wait.map_or(Duration::MAX, |wait| wait.saturating_add(GRACE));
        }
        let (handler, mut cx) = setup.build(input);
        if message.is_some() {
            cx.session().wire.complete_work();
        }
        let (client, io) = FrameClient::new();
        tokio::spawn(driver::run(handler, cx, io, Some(permit)));
        let mut response = match transport {
            BulletTransport::Events => Response::new(Body::new(EventBody::new(client))),
            BulletTransport::Poll => poll(client, poll_wait, close_timeout).await,
            BulletTransport::Post => reply(client, wait).await,
        };
        let content_type = match transport {
            BulletTransport::Events => "text/event-stream",
            BulletTransport::Poll | BulletTransport::Post => "text/plain; charset=utf-8",
        };
        add_headers(content_type, headers, response.headers_mut());
        Ok(response)
    }
}

/// Returns the response with the next message, or the one about the end of the connection. `wait` limits the time
/// until then.
async fn poll(mut client: FrameClient, wait: Option<Duration>, close_timeout: Duration) -> Response {
    match timeout(wait, client.next_part()).await {
        Some(Ok(part)) => Response::new(Body::new(ReplyBody::first(client, part, close_timeout))),
        Some(Err(close)) => closed(&close),
        None => {
            client.close(close_timeout);
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

/// Returns the response with all messages until the end of the connection. `wait` limits the time until then, or
/// until there are too many to be held back.
async fn reply(mut client: FrameClient, wait: Option<Duration>) -> Response {
    let mut collected = None;
    let collect = async {
        loop {
            let part = client.next_part().await?;
            let body: &mut Vec<u8> = match &mut collected {
                None => collected.insert(Vec::new()),
                Some(body) => {
                    if part.is_first {
                        body.push(b'\n');
                    }
                    body
                }
            };
            body.extend_from_slice(&part.bytes);
            if body.len() > MAX_HELD {
                return Ok::<bool, ServerClose>(part.is_last);
            }
        }
    };
    match (timeout(wait, collect).await, collected) {
        (Some(Ok(is_last)), Some(body)) => {
            Response::new(Body::new(ReplyBody::all(client, body.into(), is_last)))
        }
        (Some(Err(close)), Some(body)) if !close.is_failure() => Response::new(Body::from(body)),
        (Some(Err(close)), _) => closed(&close),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the handler took too long\n").into_response(),
    }
}

/// Returns the output of a future, or `None` after a time limit.
async fn timeout<F: Future>(limit: Option<Duration>, future: F) -> Option<F::Output> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

/// Returns the response about a connection that ended without a message.
fn closed(close: &ServerClose) -> Response {
    let status = match close.code {
        Some(1003) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Some(1007) => StatusCode::BAD_REQUEST,
        Some(1008) => StatusCode::TOO_MANY_REQUESTS,
        Some(1009) => StatusCode::PAYLOAD_TOO_LARGE,
        Some(1012 | 1013) => StatusCode::SERVICE_UNAVAILABLE,
        _ if close.is_failure() => StatusCode::INTERNAL_SERVER_ERROR,
        _ => return StatusCode::NO_CONTENT.into_response(),
    };
    let reason = if close.reason.is_empty() { "the handler closed the connection" } else { &close.reason };
    (status, format!("{reason}\n")).into_response()
}

/// Adds the handler's headers, and those that keep caches and proxies from changing or delaying the response.
pub(super) fn add_headers(content_type: &'static str, handler: HeaderMap, headers: &mut HeaderMap) {
    // `HeaderMap` yields the name of the first value only.
    let mut last = None;
    for (name, value) in handler {
        last = name.or(last);
        if let Some(name) = &last {
            headers.append(name, value);
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    // A page of another site cannot load a message as a script.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Returns whether the client is an `EventSource`, or another reader of server-sent events.
pub(super) fn accepts_events(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).into_iter().filter_map(|line| line.to_str().ok());
    let types = ranges.flat_map(|line| line.split(',')).filter_map(|range| range.split(';').next());
    types.map(str::trim).any(|range| range.eq_ignore_ascii_case("text/event-stream"))
}

/// Returns the largest body of a POST. A handler that takes messages in parts has no limit of messages, but a body is
/// read as a whole.
pub(super) fn body_limit(options: &Options) -> usize {
    match options.max_message_size {
        usize::MAX => Options::DEFAULT.max_message_size,
        limit => limit,
    }
}

/// Reads the body of a request.
pub(super) async fn read_body(
    parts: &Parts,
    body: Body,
    limit: usize,
) -> Result<Vec<u8>, HandshakeRejection> {
    let len = parts.headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse::<u64>().ok());
    if len.is_some_and(|len| len > limit as u64) {
        return Err(HandshakeRejection::BodyTooBig);
    }
    let (mut body, mut read) = (pin!(body), Vec::new());
    while let Some(frame) = poll_fn(|task| body.as_mut().poll_frame(task)).await {
        let Ok(data) = frame.map_err(|_| HandshakeRejection::BrokenBody)?.into_data() else { continue };
        if data.len() > limit - read.len() {
            return Err(HandshakeRejection::BodyTooBig);
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

#[cfg(test)]
mod tests;
