//! Until when clients must have sent their requests. All have the same time, so that the first to come
//! is the first to be late: one timer is enough for them, where one for each would have to be taken
//! back nearly always.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::time::{Instant, Sleep};

/// The clients that have not sent their requests yet.
#[derive(Debug)]
pub(super) struct Deadlines {
    timeout: Duration,
    queue: Mutex<Queue>,
    /// Whether clients have come since the timer was set.
    has_come: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Slab<Waiting>,
    /// The first to be late, and the last.
    ends: Option<(usize, usize)>,
    /// Whoever has the timer, if that is not set.
    timer: Option<Waker>,
}

#[derive(Debug)]
struct Waiting {
    deadline: Instant,
    task: Waker,
    is_late: bool,
    /// Its neighbours, as long as it is not late.
    before: Option<usize>,
    after: Option<usize>,
}

impl Queue {
    fn push(&mut self, deadline: Instant, task: Waker) -> usize {
        let before = self.ends.map(|(_, last)| last);
        let key = self.waiting.insert(Waiting { deadline, task, is_late: false, before, after: None });
        if let Some(before) = before {
            self.waiting[before].after = Some(key);
        }
        self.ends = Some((self.ends.map_or(key, |(first, _)| first), key));
        key
    }

    fn unlink(&mut self, before: Option<usize>, after: Option<usize>) {
        if let Some(before) = before {
            self.waiting[before].after = after;
        }
        if let Some(after) = after {
            self.waiting[after].before = before;
        }
        self.ends = self.ends.and_then(|(first, last)| {
            let first = if before.is_none() { after? } else { first };
            let last = if after.is_none() { before? } else { last };
            Some((first, last))
        });
    }
}

impl Deadlines {
    pub(super) fn new(timeout: Duration) -> Arc<Self> {
        Arc::new(Self { timeout, queue: Mutex::default(), has_come: AtomicBool::new(false) })
    }

    /// A client has come. While they do the timer is set, even if none of them is waited for: a runtime
    /// without a timer is interrupted, by a system call, for each that is set then, as connections do.
    pub(super) fn come(&self) {
        if !self.has_come.load(Ordering::Relaxed)
            && !self.has_come.swap(true, Ordering::AcqRel)
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
        Deadline { of: self, key }
    }

    /// Wakes those that are late, and sees to it that the task is woken for the next of them.
    pub(super) fn poll(&self, task: &mut Task<'_>, timer: &mut Timer) {
        loop {
            if timer.is_set && timer.sleep.as_mut().poll(task).is_pending() {
                return;
            }
            let mut queue = self.lock();
            let now = Instant::now();
            let late =
                queue.ends.map(|(first, _)| first).filter(|first| queue.waiting[*first].deadline <= now);
            if let Some(first) = late {
                let waiting = &mut queue.waiting[first];
                waiting.is_late = true;
                let (task, after) = (waiting.task.clone(), waiting.after.take());
                queue.unlink(None, after);
                drop(queue);
                task.wake();
                continue;
            }
            let has_come = self.has_come.swap(false, Ordering::AcqRel);
            let next = queue.ends.map(|(first, _)| queue.waiting[first].deadline);
            let next = next.or_else(|| has_come.then(|| now + self.timeout));
            if next.is_none() {
                queue.timer = Some(task.waker().clone());
            }
            drop(queue);
            timer.is_set = next.is_some();
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
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    is_set: bool,
}

impl Timer {
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), is_set: false }
    }
}

/// The time of one client; dropped, it is not waited for any more.
#[derive(Debug)]
pub(super) struct Deadline<'a> {
    of: &'a Deadlines,
    key: usize,
}

impl Deadline<'_> {
    /// Ready when it has passed; wakes this task then.
    pub(super) fn poll(&self, task: &mut Task<'_>) -> Poll<()> {
        let mut queue = self.of.lock();
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
        let mut queue = self.of.lock();
        let Waiting { is_late, before, after, .. } = queue.waiting.remove(self.key);
        if !is_late {
            queue.unlink(before, after);
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
    fn run(deadlines: &Arc<Deadlines>) {
        let deadlines = Arc::clone(deadlines);
        tokio::spawn(async move {
            let mut timer = Timer::new();
            poll_fn(|task| {
                deadlines.poll(task, &mut timer);
                Poll::<()>::Pending
            })
            .await;
        });
    }

    async fn add(deadlines: &Deadlines) -> Deadline<'_> {
        poll_fn(|task| Poll::Ready(deadlines.add(task.waker()))).await
    }

    async fn late(deadline: &Deadline<'_>) {
        poll_fn(|task| deadline.poll(task)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_has_its_time() {
        let deadlines = Deadlines::new(TIMEOUT);
        run(&deadlines);
        // The timer is set for the first of them, and again after a time without any.
        for _ in 0..2 {
            let start = Instant::now();
            let mut waiting = Vec::new();
            for _ in 0..4 {
                waiting.push(add(&deadlines).await);
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
            assert!(deadlines.lock().ends.is_none() && deadlines.lock().waiting.is_empty());
        }
        let only = add(&deadlines).await;
        assert!(timeout(TIMEOUT - Duration::from_millis(1), late(&only)).await.is_err());
    }
}
