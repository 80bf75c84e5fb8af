//! State of the broker connection, as the tasks of a hub watch it.

use std::sync::Arc;

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

/// What the server has made of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SubscriptionState {
    /// The server has not answered.
    Pending,
    Accepted,
    /// The server's error. The subscription is requested again after a while.
    Refused(Arc<str>),
}
