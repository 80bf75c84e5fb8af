//! The way of a POST's messages into their session.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::post::PostBody;
use super::session::HttpChannel;
use crate::transport::session::SessionLink;

/// How often a POST looks for the next poll.
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
        if ack.is_some_and(|ack| ack > channel.sent()) {
            return Err(DeliveryError::UnsentAck);
        }
        let accepted = channel.send(first, &messages, received).await.map_err(|_| DeliveryError::Gap)?;
        if accepted >= last {
            if let Some(number) = ack
                && channel.send_frame(PostBody::ack_frame(number)).await
            {
                ack = None;
            }
            channel.wait(last, received).await;
            if let Some(frame) = close.clone()
                && channel.send_frame(frame).await
            {
                // If the connection ends without the session, the session may not have read the frame.
                channel.closed().await;
            }
        }
        if received() >= last && ack.is_none() && (close.is_none() || link.is_over()) {
            return Ok(());
        }
        // The connection has ended, and a poll has a successor soon.
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Returns the channel of the connection that carries a session.
pub(crate) fn carrier(link: &SessionLink) -> Result<Arc<HttpChannel>, DeliveryError> {
    let channel = link.channel().and_then(|channel| (channel as Arc<dyn Any + Send + Sync>).downcast().ok());
    channel.ok_or(if link.is_over() { DeliveryError::Over } else { DeliveryError::NotCarried })
}
