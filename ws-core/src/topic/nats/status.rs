//! State of the broker connection, as the tasks of a hub watch it.

use tokio::sync::watch;

/// The status of a hub's connection to its broker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionStatus {
    Open,
    /// The hub is closed. Searches and presence watchers end.
    Closed,
}

/// Receiver of the status. A reconnect also counts as a change, although the value stays `Open`.
pub(super) type StatusReceiver = watch::Receiver<ConnectionStatus>;
