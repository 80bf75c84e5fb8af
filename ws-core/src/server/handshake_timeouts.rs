//! The deadlines by which clients must have sent their first request.
//!
//! All clients have the same timeout, so their deadlines expire in the order of their arrival, and one
//! timer serves them all. A timer for each client would nearly always be cancelled.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::time::{Instant, Sleep};

use crate::clock::IoPasses;
use crate::sync::lock;

/// The clients that have not sent their first request yet.
#[derive(Debug)]
pub(super) struct HandshakeTimeouts {
    timeout: Duration,
    queue: Mutex<Queue>,
    /// Whether clients were accepted since the timer was armed.
    accepted_since_armed: AtomicBool,
    /// The number of clients that have no response to their first request yet.
    unanswered: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Slab<PendingClient>,
    /// The keys of the first and the last client in the order of their deadlines.
    bounds: Option<(usize, usize)>,
    /// The waker of the task with the timer, while the timer is not armed.
    timer: Option<Waker>,
}

#[derive(Debug)]
struct PendingClient {
    deadline: Instant,
    task: Waker,
    is_late: bool,
    /// The passes of the I/O driver since the client was late.
    io_passes: IoPasses,
    /// The neighbours in the order of deadlines, until the client is late.
    previous: Option<usize>,
    next: Option<usize>,
}

impl Queue {
    fn push(&mut self, deadline: Instant, task: Waker) -> usize {
        let previous = self.bounds.map(|(_, last)| last);
        let key = self.waiting.insert(PendingClient {
            deadline,
            task,
            is_late: false,
            io_passes: IoPasses::default(),
            previous,
            next: None,
        });
        if let Some(previous) = previous {
            self.waiting[previous].next = Some(key);
        }
        self.bounds = Some((self.bounds.map_or(key, |(first, _)| first), key));
        key
    }

    fn unlink(&mut self, previous: Option<usize>, next: Option<usize>) {
        if let Some(previous) = previous {
            self.waiting[previous].next = next;
        }
        if let Some(next) = next {
            self.waiting[next].previous = previous;
        }
        self.bounds = self.bounds.and_then(|(first, last)| {
            let first = if previous.is_none() { next? } else { first };
            let last = if next.is_none() { previous? } else { last };
            Some((first, last))
        });
    }
}

impl HandshakeTimeouts {
    pub(super) fn new(timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            timeout,
            queue: Mutex::default(),
            accepted_since_armed: AtomicBool::new(false),
            unanswered: AtomicUsize::new(0),
        })
    }

    /// Notes that a client was accepted, and keeps the timer armed for a while.
    ///
    /// The timer stays armed even if all clients sent their requests at once. In a runtime without an armed
    /// timer, each timer that a connection arms wakes the driver thread with a system call.
    pub(super) fn on_accept(&self) {
        if !self.accepted_since_armed.load(Ordering::Relaxed)
            && !self.accepted_since_armed.swap(true, Ordering::AcqRel)
            && let Some(timer) = self.lock().timer.take()
        {
            timer.wake();
        }
    }

    /// Counts a client that has connected, until its first request has a response.
    pub(super) fn count_unanswered(self: &Arc<Self>) -> Unanswered {
        self.unanswered.fetch_add(1, Ordering::AcqRel);
        Unanswered(Arc::clone(self))
    }

    /// Waits until all clients have a response to their first request, for up to `limit`.
    pub(super) async fn wait_answered(&self, limit: Duration) {
        let end = Instant::now() + limit;
        // A wake-up by each client would cost more than the few passes at the end of a server.
        while self.unanswered.load(Ordering::Acquire) > 0 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Adds a client, whose task is woken when the client is late.
    pub(super) fn add(&self, task: &Waker) -> Deadline<'_> {
        let mut queue = self.lock();
        // The time is taken under the lock, so that deadlines are in order.
        let key = queue.push(Instant::now() + self.timeout, task.clone());
        let timer = queue.timer.take();
        drop(queue);
        if let Some(timer) = timer {
            timer.wake();
        }
        Deadline { timeouts: self, key }
    }

    /// Wakes the tasks of late clients, and arms the timer for the next deadline.
    pub(super) fn poll(&self, task: &mut TaskContext<'_>, timer: &mut SharedTimer) {
        loop {
            if timer.is_armed && timer.sleep.as_mut().poll(task).is_pending() {
                return;
            }
            let mut queue = self.lock();
            let now = Instant::now();
            let late =
                queue.bounds.map(|(first, _)| first).filter(|first| queue.waiting[*first].deadline <= now);
            if let Some(first) = late {
                let waiting = &mut queue.waiting[first];
                waiting.is_late = true;
                let (task, next) = (waiting.task.clone(), waiting.next.take());
                queue.unlink(None, next);
                drop(queue);
                task.wake();
                continue;
            }
            let accepted_since_armed = self.accepted_since_armed.swap(false, Ordering::AcqRel);
            let deadline = queue.bounds.map(|(first, _)| queue.waiting[first].deadline);
            let deadline = deadline.or_else(|| accepted_since_armed.then(|| now + self.timeout));
            if deadline.is_none() {
                queue.timer = Some(task.waker().clone());
            }
            drop(queue);
            timer.is_armed = deadline.is_some();
            let Some(deadline) = deadline else { return };
            timer.sleep.as_mut().reset(deadline);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

/// A client without a response to its first request. Dropping it counts the client as answered.
#[derive(Debug)]
pub(super) struct Unanswered(Arc<HandshakeTimeouts>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.unanswered.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The timer of all clients.
#[derive(Debug)]
pub(super) struct SharedTimer {
    sleep: Pin<Box<Sleep>>,
    is_armed: bool,
}

impl SharedTimer {
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), is_armed: false }
    }
}

/// The deadline of one client. Dropping it removes the client.
#[derive(Debug)]
pub(super) struct Deadline<'a> {
    timeouts: &'a HandshakeTimeouts,
    key: usize,
}

impl Deadline<'_> {
    /// Returns `Ready` when the deadline has passed and the I/O driver has run since; registers the task until
    /// then. The caller has read its socket before.
    pub(super) fn poll(&self, task: &mut TaskContext<'_>) -> Poll<()> {
        let mut queue = self.timeouts.lock();
        let waiting = &mut queue.waiting[self.key];
        if waiting.is_late {
            return waiting.io_passes.poll(task);
        }
        waiting.task.clone_from(task.waker());
        Poll::Pending
    }
}

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        let mut queue = self.timeouts.lock();
        let PendingClient { is_late, previous, next, .. } = queue.waiting.remove(self.key);
        if !is_late {
            queue.unlink(previous, next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Polls the timer in a task, like the server.
    fn run(timeouts: &Arc<HandshakeTimeouts>) {
        let timeouts = Arc::clone(timeouts);
        tokio::spawn(async move {
            let mut timer = SharedTimer::new();
            poll_fn(|task| {
                timeouts.poll(task, &mut timer);
                Poll::<()>::Pending
            })
            .await;
        });
    }

    async fn add(timeouts: &HandshakeTimeouts) -> Deadline<'_> {
        poll_fn(|task| Poll::Ready(timeouts.add(task.waker()))).await
    }

    async fn late(deadline: &Deadline<'_>) {
        poll_fn(|task| deadline.poll(task)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_client_has_the_full_timeout() {
        let timeouts = HandshakeTimeouts::new(TIMEOUT);
        run(&timeouts);
        // The timer is armed for the first client, and again after a pause without clients.
        for _ in 0..2 {
            let start = Instant::now();
            let mut waiting = Vec::new();
            for _ in 0..4 {
                waiting.push(add(&timeouts).await);
                advance(Duration::from_secs(1)).await;
            }
            // Removes clients from the middle and the start of the queue.
            drop(waiting.remove(1));
            drop(waiting.remove(0));
            late(&waiting[0]).await;
            assert_eq!(start.elapsed(), TIMEOUT + Duration::from_secs(2));
            late(&waiting[1]).await;
            assert_eq!(start.elapsed(), TIMEOUT + Duration::from_secs(3));
            drop(waiting);
            assert!(timeouts.lock().bounds.is_none() && timeouts.lock().waiting.is_empty());
        }
        let only = add(&timeouts).await;
        assert!(timeout(TIMEOUT - Duration::from_millis(1), late(&only)).await.is_err());
    }
}
