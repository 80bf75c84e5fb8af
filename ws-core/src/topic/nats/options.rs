//! How a hub uses the servers.

use std::time::Duration;

use async_nats::ConnectOptions;

/// So soon is it noticed that a server does not answer, twice over.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// On how many servers something can be kept.
const MAX_REPLICAS: usize = 5;

/// What [`Hub::nats_with`](crate::Hub::nats_with) takes: the options of the client, and how many servers
/// of a cluster keep what is kept. The client's [`ConnectOptions`] alone will do too.
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
    /// Those of [`Hub::nats`](crate::Hub::nats): one replica, and a server that does not answer is given
    /// up after 20 to 30 seconds.
    pub fn new() -> Self {
        ConnectOptions::new().ping_interval(PING_INTERVAL).into()
    }

    /// How many servers of the cluster keep each history, and who is there: 1 if nobody says otherwise, 5
    /// at the most. What one server keeps is lost with it, and away as long as it is; with three, one of
    /// them may go, with five, two. A message is kept when more than half of them have it.
    ///
    /// It is for what is made from now on. Streams that are there stay as they are, which is logged if
    /// it is less; `nats stream edit --replicas` changes them.
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

/// With one replica.
impl From<ConnectOptions> for NatsOptions {
    fn from(client: ConnectOptions) -> Self {
        Self { client, replicas: 1 }
    }
}
