//! The way of POSTs into a session, beside a connection that carries only what the server sends.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Waker};

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio::sync::Notify;

use crate::sync::lock;

/// Frames that wait for the session. Each POST has its own limit of bytes.
const MAX_FRAMES: usize = 64;

/// The client's frames that the session has not read.
///
/// Each connection has a channel. The channel of the next connection takes the frames over, so that a POST needs no
/// connection that lives long enough for it. Between two polls, the session reads the channel of the last one.
#[derive(Debug)]
pub(crate) struct SessionChannel {
    state: Mutex<PendingFrames>,
    /// Notified when the session has read frames or has messages, and at the end.
    progress: Notify,
    /// The number of the last message in the response.
    sent: AtomicU64,
}

#[derive(Debug, Default)]
struct PendingFrames {
    /// Whole frames, except for the first one, of which a part may be read.
    frames: VecDeque<Bytes>,
    /// The number of the last message that was added.
    accepted: u64,
    /// The number of an acknowledgement that the session has not taken.
    ack: Option<u64>,
    is_ended: bool,
    /// The waker of the session's task.
    waker: Option<Waker>,
}

/// The outcome of adding a frame to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AddOutcome {
    Added,
    /// The channel has ended.
    Ended,
    /// The frame has to wait until others are read.
    Full,
}

impl SessionChannel {
    /// Returns the channel of a connection whose client has the messages up to `received`.
    pub(crate) fn new(received: u64) -> Self {
        Self { state: Mutex::default(), progress: Notify::new(), sent: AtomicU64::new(received) }
    }

    /// Adds messages, each once. `first` is the number of the first one. Returns whether all are added, now or by an
    /// earlier call; otherwise the channel has ended.
    ///
    /// # Errors
    ///
    /// Returns the number of the last message that was added, if messages before `first` are missing.
    pub(crate) async fn send(
        &self,
        first: u64,
        messages: impl Iterator<Item = Bytes> + Send,
    ) -> Result<bool, u64> {
        {
            let state = lock(&self.state);
            if state.is_ended {
                return Ok(false);
            }
            if first > state.accepted + 1 {
                return Err(state.accepted);
            }
        }
        for (number, message) in (first..).zip(messages) {
            if !self.add_when_possible(Some(number), message).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds a frame without a number. Returns false if the channel has ended.
    pub(crate) async fn send_frame(&self, frame: Bytes) -> bool {
        self.add_when_possible(None, frame).await
    }

    /// Adds a frame without a number, unless too many wait.
    pub(crate) fn try_send_frame(&self, frame: Bytes) {
        self.add(None, frame);
    }

    async fn add_when_possible(&self, number: Option<u64>, frame: Bytes) -> bool {
        loop {
            let progress = self.progress.notified();
            match self.add(number, frame.clone()) {
                AddOutcome::Added => return true,
                AddOutcome::Ended => return false,
                AddOutcome::Full => progress.await,
            }
        }
    }

    /// Adds a frame, unless that of the message with this `number` was added before.
    fn add(&self, number: Option<u64>, frame: Bytes) -> AddOutcome {
        let mut state = lock(&self.state);
        if state.is_ended {
            return AddOutcome::Ended;
        }
        if number.is_some_and(|number| number <= state.accepted) {
            return AddOutcome::Added;
        }
        if state.frames.len() >= MAX_FRAMES {
            return AddOutcome::Full;
        }
        state.frames.push_back(frame);
        state.accepted = number.unwrap_or(state.accepted);
        let waker = state.waker.clone();
        drop(state);
        wake(waker);
        AddOutcome::Added
    }

    /// Acknowledges the server's messages up to a number. Returns false for a message that was not sent on this
    /// connection.
    pub(crate) fn acknowledge(&self, number: u64) -> bool {
        if number > self.sent.load(Ordering::Acquire) {
            return false;
        }
        let mut state = lock(&self.state);
        state.ack = state.ack.max(Some(number));
        let waker = state.waker.clone();
        drop(state);
        wake(waker);
        true
    }

    /// Returns the number of the next message in the response, which the client has later than the channel.
    pub(crate) fn count_sent(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Waits until the session has the message with a number, or the channel has ended. `received` returns the
    /// number of the last message that the session has.
    pub(crate) async fn wait(&self, number: u64, received: impl Fn() -> u64) {
        loop {
            let progress = self.progress.notified();
            if received() >= number || lock(&self.state).is_ended {
                return;
            }
            progress.await;
        }
    }

    /// Waits for the end of the channel.
    pub(crate) async fn ended(&self) {
        self.wait(u64::MAX, || 0).await;
    }

    /// Begins the channel of a session that has the client's messages up to `received`.
    pub(super) fn begin(&self, received: u64) {
        lock(&self.state).accepted = received;
    }

    /// Begins the channel with the frames that wait in the channel of an `earlier` connection, which ends.
    pub(super) fn take_over(&self, earlier: &Self) {
        let earlier = earlier.take_state();
        let mut state = lock(&self.state);
        (state.frames, state.accepted) = (earlier.frames, earlier.accepted);
    }

    /// Ends the channel, and drops what the session has not read.
    pub(super) fn end(&self) {
        drop(self.take_state());
    }

    fn take_state(&self) -> PendingFrames {
        let ended = PendingFrames { is_ended: true, ..PendingFrames::default() };
        let last = std::mem::replace(&mut *lock(&self.state), ended);
        self.progress.notify_waiters();
        last
    }

    /// Returns whether frames wait.
    pub(super) fn has_frames(&self) -> bool {
        !lock(&self.state).frames.is_empty()
    }

    /// Registers the session's task, which the next frame or acknowledgement wakes. Returns the number of the
    /// acknowledgement that waits.
    pub(super) fn take_ack(&self, task: &TaskContext<'_>) -> Option<u64> {
        let mut state = lock(&self.state);
        let previous = state.waker.replace(task.waker().clone());
        let ack = state.ack.take();
        drop(state);
        // Dropped without the lock, because a waker may drop a whole task.
        drop(previous);
        ack
    }

    /// Reads the frames that wait, as far as there is room. Returns whether something was read.
    pub(crate) fn read(&self, to: &mut ReadBuf<'_>) -> bool {
        let before = to.filled().len();
        let mut state = lock(&self.state);
        while let Some(frame) = state.frames.front_mut()
            && to.remaining() > 0
        {
            let len = frame.len().min(to.remaining());
            to.put_slice(&frame[..len]);
            frame.advance(len);
            if frame.is_empty() {
                state.frames.pop_front();
            }
        }
        drop(state);
        let has_read = to.filled().len() > before;
        if has_read {
            self.progress.notify_waiters();
        }
        has_read
    }

    /// Handles that the session has more of the client's messages.
    pub(super) fn on_received(&self) {
        self.progress.notify_waiters();
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn read(channel: &SessionChannel, room: usize) -> String {
        let mut bytes = vec![0; room];
        let mut read = ReadBuf::new(&mut bytes);
        assert_eq!(channel.read(&mut read), !read.filled().is_empty());
        String::from_utf8(read.filled().to_vec()).unwrap()
    }

    fn frames(texts: &[&'static str]) -> impl Iterator<Item = Bytes> + Send {
        texts.iter().copied().map(Bytes::from).collect::<Vec<_>>().into_iter()
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_added_once_and_read_in_pieces() {
        let channel = SessionChannel::new(0);
        channel.begin(2);
        assert_eq!(channel.send(4, frames(&["gap"])).await, Err(2));
        assert_eq!(channel.send(2, frames(&["two", "three"])).await, Ok(true));
        // The same POST again, which the session has not read yet.
        assert_eq!(channel.send(2, frames(&["two", "three", "four"])).await, Ok(true));
        assert!(channel.has_frames());
        assert_eq!((read(&channel, 0), read(&channel, 2)), (String::new(), "th".into()));
        assert_eq!((read(&channel, 100), read(&channel, 100)), ("reefour".into(), String::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn next_channel_takes_over_what_waits() {
        let (channel, next, last) = (SessionChannel::new(9), SessionChannel::new(9), SessionChannel::new(9));
        assert_eq!(channel.send(1, frames(&["one", "two"])).await, Ok(true));
        assert_eq!(read(&channel, 1), "o");
        assert!(channel.acknowledge(9));
        next.take_over(&channel);
        assert_eq!(channel.send(3, frames(&["three"])).await, Ok(false));
        assert!(!channel.send_frame("close".into()).await);
        timeout(S, channel.ended()).await.expect("the first channel has ended");
        assert_eq!(next.send(1, frames(&["one", "two", "three"])).await, Ok(true));
        assert_eq!(read(&next, 100), "netwothree");
        let task = TaskContext::from_waker(Waker::noop());
        assert_eq!(next.take_ack(&task), None, "the acknowledgement belongs to the first connection");
        assert_eq!(next.send(4, frames(&["four"])).await, Ok(true));
        next.end();
        last.begin(3);
        assert_eq!((read(&next, 100), read(&last, 100)), (String::new(), String::new()));
        assert_eq!(last.send(4, frames(&["four"])).await, Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn posts_wait_for_room_and_for_the_session() {
        let channel = SessionChannel::new(0);
        let many = || (0..=MAX_FRAMES).map(|_| Bytes::from("x"));
        assert!(timeout(S, channel.send(1, many())).await.is_err(), "the channel is full");
        channel.try_send_frame("pong".into());
        let reads = async {
            tokio::task::yield_now().await;
            read(&channel, 2 * MAX_FRAMES)
        };
        let (sent, first) = timeout(S, async { tokio::join!(channel.send(1, many()), reads) }).await.unwrap();
        assert_eq!((sent, first), (Ok(true), "x".repeat(MAX_FRAMES)));
        assert_eq!(read(&channel, 100), "x");

        let received = AtomicU64::new(0);
        let number = || received.load(Ordering::Relaxed);
        let progress = async {
            tokio::task::yield_now().await;
            received.store(3, Ordering::Relaxed);
            channel.on_received();
        };
        timeout(S, async { tokio::join!(channel.wait(3, number), progress) }).await.expect("the wait ends");
        assert!(timeout(S, channel.wait(4, number)).await.is_err());
        let end = async {
            tokio::task::yield_now().await;
            channel.end();
        };
        timeout(S, async { tokio::join!(channel.wait(4, number), end) }).await.expect("the wait ends");
    }

    #[test]
    fn acknowledgement_is_one_of_a_message_that_was_sent() {
        let channel = SessionChannel::new(6);
        assert!(!channel.acknowledge(7));
        assert_eq!(channel.count_sent(), 7);
        assert!(channel.acknowledge(7) && channel.acknowledge(5));
        let task = TaskContext::from_waker(Waker::noop());
        assert_eq!((channel.take_ack(&task), channel.take_ack(&task)), (Some(7), None));
    }
}
