//! The log lines about refused handshakes. A browser shows its page no reason for a refusal, so the server's
//! log has to.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum_core::response::Response;
use hyper::StatusCode;
use tokio::runtime::Handle;

use crate::clock::now;
use crate::metrics;
use crate::sync::lock;
use crate::upgrade::{self, HandshakeRejection, HeaderFields};

/// How many refusals are logged in a [`PERIOD`], because clients can cause them at will.
const MAX_LINES: u32 = 100;

const PERIOD: Duration = Duration::from_secs(1);

/// The longest value of a header or a path that is logged, in bytes.
const MAX_VALUE: usize = 256;

/// A request whose handshake was refused.
pub(super) struct RefusedRequest<'a, F: ?Sized> {
    pub(super) handler: &'static str,
    pub(super) path: &'a str,
    pub(super) peer: Option<SocketAddr>,
    pub(super) fields: &'a F,
}

/// A log of refusals, up to a rate. The clones of a router share the rate.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<Option<Period>>);

#[derive(Debug)]
struct Period {
    start: Instant,
    logged: u32,
    /// Number of refusals that were not logged.
    omitted: u64,
}

/// The decision about one refusal.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// The refusal is logged. Holds how many of the previous period remain to be reported.
    Log(u64),
    /// The first refusal of a period that is not logged. Holds the end of the period.
    OmitFirst(Instant),
    Omit,
}

impl RefusalLog {
    /// Logs the refusal of a request. The response tells the reason, unless the handler made it.
    #[cold]
    pub(super) fn log<F>(self: &Arc<Self>, request: &RefusedRequest<'_, F>, response: &mut Response)
    where
        F: HeaderFields + ?Sized,
    {
        let rejection = response.extensions_mut().remove::<HandshakeRejection>();
        let reason = rejection.as_ref().map_or("handler", HandshakeRejection::label);
        metrics::on_handshake_refused(request.handler, reason, response.status().as_u16());
        match self.admit(now()) {
            Admission::Log(omitted) => {
                report_omitted(omitted);
                Refusal::new(request, response.status(), rejection.as_ref()).log();
            }
            Admission::OmitFirst(end) => {
                if let Ok(runtime) = Handle::try_current() {
                    let log = Arc::clone(self);
                    runtime.spawn(async move {
                        tokio::time::sleep_until(end.into()).await;
                        report_omitted(log.take_omitted());
                    });
                }
            }
            Admission::Omit => {}
        }
    }

    fn admit(&self, now: Instant) -> Admission {
        let mut period = lock(&self.0);
        let omitted = match &mut *period {
            Some(period) if now.saturating_duration_since(period.start) < PERIOD => {
                if period.logged < MAX_LINES {
                    period.logged += 1;
                    return Admission::Log(0);
                }
                period.omitted += 1;
                let is_first = period.omitted == 1;
                return if is_first { Admission::OmitFirst(period.start + PERIOD) } else { Admission::Omit };
            }
            Some(period) => period.omitted,
            None => 0,
        };
        *period = Some(Period { start: now, logged: 1, omitted: 0 });
        Admission::Log(omitted)
    }

    fn take_omitted(&self) -> u64 {
        lock(&self.0).as_mut().map_or(0, |period| std::mem::take(&mut period.omitted))
    }
}

fn report_omitted(omitted: u64) {
    if omitted > 0 {
        tracing::info!(omitted, "more handshakes were refused than are logged in a second");
    }
}

/// The content of one log line.
struct Refusal<'a> {
    handler: &'static str,
    path: Cow<'a, str>,
    peer: Option<SocketAddr>,
    origin: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    status: StatusCode,
    reason: Cow<'a, str>,
    help: Cow<'a, str>,
}

impl<'a> Refusal<'a> {
    fn new<F>(
        request: &RefusedRequest<'a, F>,
        status: StatusCode,
        rejection: Option<&'a HandshakeRejection>,
    ) -> Self
    where
        F: HeaderFields + ?Sized,
    {
        let RefusedRequest { handler, path, peer, fields } = *request;
        // The drafts have another name for the origin.
        let origin = fields.values("origin").next().or_else(|| fields.values("sec-websocket-origin").next());
        let (origin, host) = (origin.map(shorten), fields.values("host").next().map(shorten));
        let (reason, help) = match rejection {
            Some(HandshakeRejection::Origin) => {
                let help = upgrade::origin_help(origin.as_deref().unwrap_or_default(), host.as_deref());
                (HandshakeRejection::Origin.reason().into_owned().into(), help.into())
            }
            Some(rejection) => (rejection.reason(), rejection.help().into()),
            None => (
                "`#[on_upgrade]` or one of its extractors returned this status".into(),
                "change what `#[on_upgrade]` takes or returns".into(),
            ),
        };
        Self { handler, path: shorten(path.as_bytes()), peer, origin, host, status, reason, help }
    }

    /// Logs the line, as an error if the program is to be corrected.
    fn log(&self) {
        let Self { handler, path, peer, origin, host, status, reason, help } = self;
        let status = status.as_u16();
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(handler, ?path, ?peer, ?origin, ?host, status, %reason, %help, "handshake refused");
        } else {
            tracing::info!(handler, ?path, ?peer, ?origin, ?host, status, %reason, %help, "handshake refused");
        }
        // A browser hides the response, and nothing else shows the line to a developer.
        if cfg!(debug_assertions)
            && self.status == StatusCode::FORBIDDEN
            && !tracing::dispatcher::has_been_set()
        {
            eprintln!("{self}");
        }
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handler, path, origin, host, status, reason, help, .. } = self;
        let status = status.as_u16();
        write!(f, "ws-core: handshake for {path:?} ({handler}) refused with {status}: {reason}; ")?;
        write!(f, "Origin {:?}, Host {:?}; {help}", origin.as_deref(), host.as_deref())
    }
}

/// Returns a value as text of up to [`MAX_VALUE`] bytes.
fn shorten(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value.get(..MAX_VALUE).unwrap_or(value))
}

#[cfg(test)]
mod tests;
