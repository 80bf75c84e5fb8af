//! Until when clients must have sent their requests. All have the same time, so that the first to come
//! is the first to be late: one timer is enough for them, where one for each would have to be taken
//! back nearly always.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::time::{Instant, Sleep};

/// The clients that have not sent their requests yet.
#[derive(Debug)]
pub(super) struct HandshakeTimeouts {
    timeout: Duration,
    queue: Mutex<Queue>,
    /// Whether clients have come since the timer was set.
    accepted_since_armed: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Slab<PendingClient>,
    /// The first to be late, and the last.
    bounds: Option<(usize, usize)>,
    /// Whoever has the timer, if that is not set.
    timer: Option<Waker>,
}

#[derive(Debug)]
struct PendingClient {
    deadline: Instant,
    task: Waker,
    is_late: bool,
    /// Its neighbours, as long as it is not late.
    previous: Option<usize>,
    next_key: Option<usize>,
}

impl Queue {
    fn push(&mut self, deadline: Instant, task: Waker) -> usize {
        let previous = self.bounds.map(|(_, last)| last);
        let key =
            self.waiting.insert(PendingClient { deadline, task, is_late: false, previous, next_key: None });
        if let Some(previous) = previous {
            self.waiting[previous].next_key = Some(key);
        }
        self.bounds = Some((self.bounds.map_or(key, |(first, _)| first), key));
        key
    }

    fn unlink(&mut self, previous: Option<usize>, next_key: Option<usize>) {
        if let Some(previous) = previous {
            self.waiting[previous].next_key = next_key;
        }
        if let Some(next_key) = next_key {
            self.waiting[next_key].previous = previous;
        }
        self.bounds = self.bounds.and_then(|(first, last)| {
            let first = if previous.is_none() { next_key? } else { first };
            let last = if next_key.is_none() { previous? } else { last };
            Some((first, last))
        });
    }
}

impl HandshakeTimeouts {
    pub(super) fn new(timeout: Duration) -> Arc<Self> {
        Arc::new(Self { timeout, queue: Mutex::default(), accepted_since_armed: AtomicBool::new(false) })
    }

    /// A client has come. While they do the timer is set, even if none of them is waited for: a runtime
    /// without a timer is interrupted, by a system call, for each that is set then, as connections do.
    pub(super) fn on_accept(&self) {
        if !self.accepted_since_armed.load(Ordering::Relaxed)
            && !self.accepted_since_armed.swap(true, Ordering::AcqRel)
            && let Some(timer) = self.lock().timer.take()
        {
            timer.wake();
        }
    }

    /// One more client is waited for, by a task.
    pub(super) fn add(&self, task: &Waker) -> Deadline<'_> {
        let mut queue = self.lock();
        // Under the lock, so that they are in order.
        let key = queue.push(Instant::now() + self.timeout, task.clone());
        let timer = queue.timer.take();
        drop(queue);
        if let Some(timer) = timer {
            timer.wake();
        }
        Deadline { timeouts: self, key }
    }

    /// Wakes those that are late, and sees to it that the task is woken for the next of them.
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
                let (task, next_key) = (waiting.task.clone(), waiting.next_key.take());
                queue.unlink(None, next_key);
                drop(queue);
                task.wake();
                continue;
            }
            let accepted_since_armed = self.accepted_since_armed.swap(false, Ordering::AcqRel);
            let next = queue.bounds.map(|(first, _)| queue.waiting[first].deadline);
            let next = next.or_else(|| accepted_since_armed.then(|| now + self.timeout));
            if next.is_none() {
                queue.timer = Some(task.waker().clone());
            }
            drop(queue);
            timer.is_armed = next.is_some();
            let Some(next) = next else { return };
            timer.sleep.as_mut().reset(next);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one timer.
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

/// The time of one client; dropped, it is not waited for any more.
#[derive(Debug)]
pub(super) struct Deadline<'a> {
    timeouts: &'a HandshakeTimeouts,
    key: usize,
}

impl Deadline<'_> {
    /// Ready when it has passed; wakes this task then.
    pub(super) fn poll(&self, task: &mut TaskContext<'_>) -> Poll<()> {
        let mut queue = self.timeouts.lock();
        let waiting = &mut queue.waiting[self.key];
        if waiting.is_late {
            return Poll::Ready(());
        }
        waiting.task.clone_from(task.waker());
        Poll::Pending
    }
}

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        let mut queue = self.timeouts.lock();
        let PendingClient { is_late, previous, next_key, .. } = queue.waiting.remove(self.key);
        if !is_late {
            queue.unlink(previous, next_key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Runs the timer, as the server does.
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
        // The timer is set for the first of them, and again after a time without any.
        for _ in 0..2 {
            let start = Instant::now();
            let mut waiting = Vec::new();
            for _ in 0..4 {
                waiting.push(add(&timeouts).await);
                advance(Duration::from_secs(1)).await;
            }
            // The ends and the middle of the queue.
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
