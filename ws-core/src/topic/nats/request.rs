//! Requests to the server: timeouts, retries and the round trip that confirms earlier commands.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, Error};
use tokio::time::timeout;

/// How long a caller waits for an answer of the server before it continues without one.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Delay before a failed operation is tried again.
pub(super) const RETRY_DELAY: Duration = Duration::from_millis(250);

/// Delay before a refused subscription is requested again.
pub(super) const REFUSED_RETRY_DELAY: Duration = Duration::from_secs(10);

/// Subject without subscribers. The server itself answers a request to it with "no responders".
pub(super) const PROBE_SUBJECT: &str = "ws.nobody";

/// Maximum number of probes of one round trip. The client waits ten seconds for each.
const MAX_PROBES: usize = 6;

/// Time limits of successive attempts, because a cluster with an unavailable server loses some requests.
///
/// Requests get no answer during a leader election. The same holds when a server assigns a consumer to the
/// unavailable server, which happens in one case of three.
const ATTEMPTS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Sends a request repeatedly until the server answers, for up to eight seconds.
pub(super) async fn request_with_retry<T, E, F>(request: impl Fn() -> F) -> Result<T, Error>
where
    E: Into<Error>,
    F: Future<Output = Result<T, E>>,
{
    for limit in ATTEMPTS {
        if let Ok(answer) = timeout(limit, request()).await {
            return answer.map_err(Into::into);
        }
    }
    Err("the broker does not answer".into())
}

/// Waits until the server has processed all commands that the client sent before.
///
/// Returns false if that is unknown: the server does not answer, or the connection is closed. Without the
/// permission for the probe, the server does not answer: see `Refusals::round_trip`.
pub(super) async fn round_trip(client: &Client) -> bool {
    for _ in 0..MAX_PROBES {
        match client.request(PROBE_SUBJECT, "".into()).await {
            Err(error) if error.kind() == RequestErrorKind::TimedOut => {}
            Err(error) => return error.kind() == RequestErrorKind::NoResponders,
            Ok(_) => return true,
        }
    }
    false
}
