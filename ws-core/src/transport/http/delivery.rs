//! The way of a POST's messages into their session.

use std::sync::Arc;
use std::time::Duration;

use super::post::PostBody;
use crate::transport::session::{SessionChannel, SessionLink};

/// How soon a POST whose channel has ended looks for another one.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// The reason why a session does not take the messages of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryError {
    /// The session is over.
    Over,
    /// No connection with a channel carries the session.
    NotCarried,
    /// Messages before the first one are missing.
    Gap,
    /// The acknowledgement is one of a message that was not sent on this connection.
    UnsentAck,
}

/// Passes the messages of a POST to their session, over one connection after another, until the session has them. A
/// close ends the session.
pub(crate) async fn deliver(link: &SessionLink, post: PostBody) -> Result<(), DeliveryError> {
    let PostBody { first, messages, mut ack, close } = post;
    let last = first.saturating_add(messages.len() as u64) - 1;
    let received = || link.received();
    loop {
        let channel = match carrier(link) {
            Err(DeliveryError::Over) if close.is_some() && received() >= last => return Ok(()),
            carrier => carrier?,
        };
        // Before the messages, so that a session has all of a POST or nothing.
        if ack.take().is_some_and(|number| !channel.acknowledge(number)) {
            return Err(DeliveryError::UnsentAck);
        }
        if channel.send(first, messages.iter()).await.map_err(|_| DeliveryError::Gap)? {
            channel.wait(last, received).await;
        }
        if received() >= last {
            let Some(frame) = close.clone() else { return Ok(()) };
            if channel.send_frame(frame).await {
                channel.ended().await;
            }
            // If the channel ends without the session, the session may not have read the frame.
            if link.is_over() {
                return Ok(());
            }
        }
        // The connection has ended, and may have a successor.
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Returns the channel of the connection that carries a session.
pub(crate) fn carrier(link: &SessionLink) -> Result<Arc<SessionChannel>, DeliveryError> {
    link.channel().ok_or_else(|| if link.is_over() { DeliveryError::Over } else { DeliveryError::NotCarried })
}
