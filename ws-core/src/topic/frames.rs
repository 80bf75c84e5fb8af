//! The frames of stored messages, which are encoded when a client first needs them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::channel::Channel;
use super::published::Published;
use super::since::Since;
use crate::panic::catch;

impl<T: Send + Sync + 'static> Channel<T> {
    /// Encodes the stored messages since `since`, for a subscriber that takes frames and is added while the
    /// returned value exists. A message that the codec cannot encode has no frame afterwards.
    pub(crate) fn encode_history(self: &Arc<Self>, since: Since) -> Option<FramesEnabled<T>> {
        if self.remote.is_some() {
            // The messages in the broker's history are encoded already.
            return None;
        }
        let codec = self.codec().ok()?;
        let enabled = FramesEnabled(Arc::clone(self));
        let unencoded: Vec<Published<T>> = {
            let state = self.lock();
            // From here on, messages are published with a frame.
            self.frame_subscribers.fetch_add(1, Ordering::Relaxed);
            let stored = state.history.as_ref().and_then(|history| history.since(since));
            stored.into_iter().flatten().filter(|message| message.frame().is_none()).cloned().collect()
        };
        for message in unencoded {
            // The error is user code too: formatting and dropping it happen inside of `catch`.
            let encode = || match codec.encode(message.value()) {
                Ok(frame) => message.set_frame(frame),
                Err(error) => tracing::debug!(topic = &*self.name, %error, "cannot encode a stored message"),
            };
            if catch(encode).is_err() {
                tracing::error!(topic = &*self.name, "the codec of a topic panicked");
            }
        }
        Some(enabled)
    }
}

/// While this value exists, messages of the topic are published with frames.
pub(crate) struct FramesEnabled<T: Send + Sync + 'static>(Arc<Channel<T>>);

impl<T: Send + Sync + 'static> Drop for FramesEnabled<T> {
    fn drop(&mut self) {
        let _state = self.0.lock();
        self.0.frame_subscribers.fetch_sub(1, Ordering::Relaxed);
    }
}
