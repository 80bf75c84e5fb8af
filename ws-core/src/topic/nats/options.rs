//! Options of a hub that uses NATS.

use std::time::Duration;

use async_nats::ConnectOptions;

/// Interval of the client's pings. The client gives up a server after two to three unanswered intervals.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of replicas that JetStream supports.
const MAX_REPLICAS: usize = 5;

/// Options of [`Hub::nats_with`](crate::Hub::nats_with): the client's options and the number of replicas.
///
/// [`ConnectOptions`] convert into this type, so `nats_with` also takes them alone.
///
/// ```no_run
/// # async fn start() -> Result<(), ws_core::BoxError> {
/// use ws_core::async_nats::ConnectOptions;
/// use ws_core::{Hub, NatsOptions};
///
/// let client = ConnectOptions::with_credentials_file("chat.creds").await?;
/// let options = NatsOptions::from(client).replicas(3);
/// let hub = Hub::nats_with(options, "nats://n1:4222, nats://n2:4222, nats://n3:4222").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NatsOptions {
    pub(super) client: ConnectOptions,
    pub(super) replicas: usize,
}

impl NatsOptions {
    /// Returns the options of [`Hub::nats`](crate::Hub::nats): one replica, and a client that disconnects
    /// from an unresponsive server after 20 to 30 seconds.
    pub fn new() -> Self {
        ConnectOptions::new().ping_interval(PING_INTERVAL).into()
    }

    /// Sets how many servers of the cluster store each history and the presence of members: 1 to 5,
    /// default 1.
    ///
    /// With one replica, data is unavailable while its server is, and lost with it. Three replicas tolerate
    /// the loss of one server, five tolerate the loss of two. A message is stored once more than half of the replicas have it.
    ///
    /// The option applies to streams that the hub creates. Existing streams keep their number of replicas,
    /// and the hub logs a warning if that is lower; `nats stream edit --replicas` changes it.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas.clamp(1, MAX_REPLICAS);
        self
    }
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Uses the given client options and one replica.
impl From<ConnectOptions> for NatsOptions {
    fn from(client: ConnectOptions) -> Self {
        Self { client, replicas: 1 }
    }
}
