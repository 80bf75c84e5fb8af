//! The policy for connections that end or do not open.

use std::fmt;
use std::time::Duration;

use super::error::ConnectError;
use crate::close::{Close, CloseCode, CloseReason};

/// The time after which a connection counts as stable: the next attempt to reconnect has the number 1 again.
pub(super) const STABLE: Duration = Duration::from_secs(30);

/// The longest time that a server's `Retry-After` adds to a delay.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The default of [`Client::reconnect`](super::Client::reconnect): exponential delays with full jitter.
///
/// The delay before attempt `n` is random, from zero up to `min * 2^(n-1)` and up to `max`. `n` is
/// [`Disconnect::attempt`]. The default has a `min` of 1 s and a `max` of 30 s, and never gives up.
///
/// A server that refuses the handshake with a header `Retry-After` gets that time first, up to an hour; the random delay
/// follows.
///
/// Some ends are final, because another connection would most likely end in the same way:
///
/// | end of the connection or the attempt | effect |
/// |---|---|
/// | the handler closed with 1000, the default of [`Close`] | final |
/// | the handler closed with another code, failed or panicked | reconnects |
/// | the server closed with 1000 | final: the purpose of the connection is fulfilled (RFC 6455 §7.4.1) |
/// | the server closed with 1002, 1003, 1007, 1009 or 1010 | final: the server does not understand the handler |
/// | the server closed with 1008, or 3000 to 4999 | final: a policy or the application has decided |
/// | the server closed with another code, or without one | reconnects |
/// | the server violated the protocol or a limit of the handler | reconnects |
/// | the connection was lost, or a timeout passed | reconnects |
/// | the attempt failed, and [`ConnectError::is_permanent`] | final |
/// | the attempt failed in another way | reconnects |
///
/// ```
/// use ws_core::client::{Backoff, Client};
/// # use ws_core::prelude::*;
/// # #[websocket] #[derive(Default)] struct Feed;
/// # #[websocket] impl Feed { #[on_text] fn text(&mut self, _: &str) {} }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50)).give_up_after(2);
/// // No server listens on this port.
/// let error = Client::new("ws://127.0.0.1:1/").reconnect(backoff).run(Feed::default).await.unwrap_err();
/// assert!(error.to_string().starts_with("cannot connect: "));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    attempts: Option<u32>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(30))
    }
}

impl Backoff {
    /// Creates a policy from the longest delay before the first attempt, and the longest delay of all.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, attempts: None }
    }

    /// Sets the number of attempts without a stable connection after which the client gives up. Default: never.
    pub const fn give_up_after(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Returns a random delay before an attempt, whose number is [`Disconnect::attempt`]: for policies that reconnect where
    /// this one ends.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use ws_core::client::Backoff;
    ///
    /// let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    /// assert!(backoff.delay(1) <= Duration::from_secs(1));
    /// assert!(backoff.delay(9) <= Duration::from_secs(30));
    /// ```
    pub fn delay(self, attempt: u32) -> Duration {
        scale(self.ceiling(attempt), random())
    }

    /// Returns the longest delay before an attempt.
    fn ceiling(self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.min.saturating_mul(factor).min(self.max)
    }
}

impl Reconnect for Backoff {
    fn reconnect(&mut self, disconnect: &Disconnect<'_>) -> Option<Duration> {
        let gives_up = self.attempts.is_some_and(|attempts| disconnect.attempt > attempts);
        if gives_up || disconnect.is_final() {
            return None;
        }
        let delay = self.delay(disconnect.attempt);
        let retry_after = match disconnect.cause {
            DisconnectCause::Failed(error) => error.retry_after().unwrap_or_default(),
            DisconnectCause::Closed(_) => Duration::ZERO,
        };
        Some(delay.saturating_add(retry_after.min(MAX_RETRY_AFTER)))
    }
}

/// Returns `share / 2^64` of a duration.
fn scale(ceiling: Duration, share: u64) -> Duration {
    let nanos = (ceiling.as_nanos().min(u128::from(u64::MAX)) * u128::from(share)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn random() -> u64 {
    let mut bits = [0; 8];
    // Without random bits, the delay is the longest one.
    getrandom::fill(&mut bits).map_or(u64::MAX, |()| u64::from_ne_bytes(bits))
}

/// A policy for [`Client::reconnect`](super::Client::reconnect): a [`Backoff`], or a closure.
///
/// ```
/// use ws_core::client::{Client, Disconnect};
/// use ws_core::prelude::*;
///
/// /// Reconnects every 5 s after a restart of the server, and never otherwise.
/// fn policy(disconnect: &Disconnect<'_>) -> Option<Duration> {
///     (disconnect.code() == Some(CloseCode::Restart)).then_some(Duration::from_secs(5))
/// }
/// let client = Client::new("wss://feed.example/").reconnect(policy);
/// # drop(client);
/// ```
pub trait Reconnect: Send {
    /// Returns the delay before the next attempt; `None` to end.
    fn reconnect(&mut self, disconnect: &Disconnect<'_>) -> Option<Duration>;
}

impl<F: FnMut(&Disconnect<'_>) -> Option<Duration> + Send> Reconnect for F {
    fn reconnect(&mut self, disconnect: &Disconnect<'_>) -> Option<Duration> {
        self(disconnect)
    }
}

/// A connection that has ended, or an attempt that has failed: the argument of a [`Reconnect`] policy.
///
/// ```
/// use ws_core::client::{Backoff, Disconnect, DisconnectCause, Reconnect};
/// use ws_core::prelude::*;
///
/// /// Like the default, but a login that has expired is renewed.
/// fn policy(disconnect: &Disconnect<'_>) -> Option<Duration> {
///     match disconnect.cause {
///         DisconnectCause::Closed(CloseReason::Remote(Some(close))) if u16::from(close.code) == 4001 => {
///             Some(Backoff::default().delay(disconnect.attempt))
///         }
///         _ => Backoff::default().reconnect(disconnect),
///     }
/// }
/// # let client = ws_core::client::Client::new("wss://feed.example/").reconnect(policy);
/// # drop(client);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Disconnect<'a> {
    /// The cause.
    pub cause: DisconnectCause<'a>,
    /// The number of the next attempt, from 1. The count begins anew after a connection of at least 30 s.
    pub attempt: u32,
}

/// The cause of a [`Disconnect`].
///
/// ```
/// use ws_core::client::{Disconnect, DisconnectCause};
///
/// fn log(disconnect: &Disconnect<'_>) {
///     match disconnect.cause {
///         DisconnectCause::Closed(reason) => println!("the connection ended: {reason:?}"),
///         DisconnectCause::Failed(error) => println!("no connection: {error:?}"),
///     }
///     println!("{disconnect}"); // For example "closed by the server: 1001".
/// }
/// # let _ = log;
/// ```
#[derive(Clone, Copy, Debug)]
pub enum DisconnectCause<'a> {
    /// The connection ended for this reason, which `#[on_close]` received.
    Closed(&'a CloseReason),
    /// The connection did not open.
    Failed(&'a ConnectError),
}

/// Writes the cause.
impl fmt::Display for Disconnect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

/// Writes the reason as a client sees it: the other side is the server.
impl fmt::Display for DisconnectCause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(CloseReason::Remote(Some(close))) => write!(f, "closed by the server: {close}"),
            Self::Closed(CloseReason::Remote(None)) => f.write_str("closed by the server"),
            Self::Closed(CloseReason::Shutdown) => f.write_str("client is shutting down"),
            Self::Closed(CloseReason::Overflow) => f.write_str("server reads too slowly"),
            Self::Closed(reason) => reason.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Disconnect<'_> {
    pub(super) fn new(cause: DisconnectCause<'_>, attempt: u32) -> Disconnect<'_> {
        Disconnect { cause, attempt }
    }

    /// Returns the code with which the server closed; `None` if the server did not close, or without a code.
    pub fn code(&self) -> Option<CloseCode> {
        match self.cause {
            DisconnectCause::Closed(CloseReason::Remote(Some(close))) => Some(close.code),
            _ => None,
        }
    }

    /// Returns whether the default policy ends here: see [`Backoff`].
    pub fn is_final(&self) -> bool {
        match self.cause {
            DisconnectCause::Closed(CloseReason::Stop(Close { code, .. })) => *code == CloseCode::Normal,
            DisconnectCause::Closed(CloseReason::Shutdown) => true,
            DisconnectCause::Closed(_) => self.code().is_some_and(
                |code| matches!(u16::from(code), 1000 | 1002 | 1003 | 1007..=1010 | 3000..=4999),
            ),
            DisconnectCause::Failed(error) => error.is_permanent(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::SystemTime;

    use bytes::Bytes;
    use hyper::StatusCode;
    use hyper::header::{HeaderValue, RETRY_AFTER};
    use tokio_rustls::rustls;

    use super::*;
    use crate::close::ProtocolError;

    #[test]
    fn delays_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let ceilings: Vec<u64> = (0..8).map(|attempt| backoff.ceiling(attempt).as_secs()).collect();
        assert_eq!(ceilings, [1, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_secs(30));
        assert_eq!(Backoff::new(Duration::MAX, Duration::MAX).ceiling(9), Duration::MAX);
    }

    #[test]
    fn jitter_is_full() {
        let second = Duration::from_secs(1);
        assert_eq!(scale(second, 0), Duration::ZERO);
        assert_eq!(scale(second, 1 << 63), second / 2);
        assert_eq!(scale(second, u64::MAX), second - Duration::from_nanos(1));
        assert!(scale(Duration::MAX, u64::MAX) > Duration::from_secs(u64::from(u32::MAX)));
        let mut backoff = Backoff::default();
        let lost = CloseReason::ConnectionLost(io::ErrorKind::ConnectionReset);
        let delays: std::collections::BTreeSet<_> = (0..100)
            .map(|_| backoff.reconnect(&Disconnect::new(DisconnectCause::Closed(&lost), 3)).unwrap())
            .collect();
        assert!(delays.len() > 50 && *delays.last().unwrap() <= Duration::from_secs(4), "{delays:?}");
    }

    #[test]
    fn a_server_sets_the_shortest_delay() {
        let in_an_hour = SystemTime::now() + Duration::from_hours(1);
        let date = httpdate::fmt_http_date(in_an_hour);
        for (value, seconds) in [
            ("120", 120..=122),
            ("0", 0..=2),
            (&*date, 3500..=3602),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0..=2),
            ("99999999999", 3600..=3602),
            ("-1", 0..=2),
            ("99999999999999999999999", 0..=2),
            ("soon", 0..=2),
        ] {
            let headers = [(RETRY_AFTER, HeaderValue::from_str(value).unwrap())].into_iter().collect();
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let error = ConnectError::Rejected { status, headers: Box::new(headers), body: Bytes::new() };
            let disconnect = Disconnect::new(DisconnectCause::Failed(&error), 2);
            let delay = Backoff::default().reconnect(&disconnect).unwrap();
            assert!(seconds.contains(&delay.as_secs()), "{value}: {delay:?}");
        }
    }

    #[test]
    fn gives_up_after_the_attempts() {
        let mut backoff = Backoff::default().give_up_after(2);
        let error = ConnectError::Timeout;
        let delays = [1, 2, 3].map(|attempt| {
            backoff.reconnect(&Disconnect::new(DisconnectCause::Failed(&error), attempt)).is_some()
        });
        assert_eq!(delays, [true, true, false]);
    }

    #[track_caller]
    fn check_close(reason: CloseReason, is_final: bool) {
        let disconnect = Disconnect::new(DisconnectCause::Closed(&reason), 1);
        assert_eq!(disconnect.is_final(), is_final, "{reason}");
        assert_eq!(Backoff::default().reconnect(&disconnect).is_none(), is_final, "{reason}");
    }

    #[test]
    fn closes_are_final_or_not() {
        for code in [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4000, 4001, 4900, 4999] {
            check_close(CloseReason::Remote(Some(code.into())), true);
        }
        for code in [1001, 1011, 1012, 1013, 1014, 2999] {
            check_close(CloseReason::Remote(Some(code.into())), false);
        }
        check_close(CloseReason::Remote(None), false);
        check_close(CloseReason::Stop(Close::default()), true);
        check_close(CloseReason::Stop(4000.into()), false);
        check_close(CloseReason::Stop(1001.into()), false);
        check_close(CloseReason::Shutdown, true);
        check_close(CloseReason::Timeout, false);
        check_close(CloseReason::PongTimeout, false);
        check_close(CloseReason::Protocol(ProtocolError::BadEncoding), false);
        check_close(CloseReason::Panic(String::new()), false);
        check_close(CloseReason::Error { code: CloseCode::Error, message: String::new() }, false);
        check_close(CloseReason::ConnectionLost(io::ErrorKind::TimedOut), false);
    }

    #[track_caller]
    fn check_error(error: ConnectError, is_final: bool) {
        let disconnect = Disconnect::new(DisconnectCause::Failed(&error), 1);
        assert_eq!(disconnect.is_final(), is_final, "{error}");
    }

    #[test]
    fn errors_are_final_or_not() {
        let rejected = |status| ConnectError::Rejected {
            status: StatusCode::from_u16(status).unwrap(),
            headers: Box::default(),
            body: Bytes::new(),
        };
        for status in [200, 204, 301, 302, 307, 400, 401, 403, 404, 426] {
            check_error(rejected(status), true);
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            check_error(rejected(status), false);
        }
        check_error(ConnectError::ProxyRefused(StatusCode::PROXY_AUTHENTICATION_REQUIRED), true);
        check_error(ConnectError::ProxyRefused(StatusCode::BAD_GATEWAY), false);
        check_error(ConnectError::Url(String::new()), true);
        check_error(ConnectError::Header(String::new()), true);
        check_error(ConnectError::Proxy(String::new()), true);
        check_error(ConnectError::Handshake(""), true);
        check_error(ConnectError::Io(io::ErrorKind::ConnectionRefused.into()), false);
        check_error(ConnectError::Tls(io::ErrorKind::UnexpectedEof.into()), false);
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        check_error(ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidData, expired)), true);
        check_error(ConnectError::Http("".into()), false);
        check_error(ConnectError::Timeout, false);
    }
}
