//! The deadlines of a worker's connections, for which they share one timer of the runtime.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock::now;
use crate::sync::lock;

/// A time in milliseconds after the start of the worker: the resolution of the runtime's timers.
pub(super) type Tick = u64;

/// The tick of a timer that is not armed.
pub(super) const UNARMED: Tick = Tick::MAX;

/// The deadlines of one worker.
#[derive(Debug)]
pub(super) struct Deadlines {
    start: Instant,
    armed: Mutex<ArmedDeadlines>,
    /// Wakes the alarm for an earlier deadline, and after the worker has taken those that have passed.
    changed: Notify,
    /// Whether the alarm has gone off, and the worker has not looked since.
    is_due: AtomicBool,
}

#[derive(Debug, Default)]
struct ArmedDeadlines {
    /// The ticks with the keys of their connections: 16 bytes each, and as much again for the free places of the tree. A
    /// timer of the runtime has 128 bytes.
    set: BTreeSet<(Tick, u32)>,
    /// The tick for which the alarm is set. The deadline may be gone.
    alarm: Option<Tick>,
    /// Whether the runtime has shut down.
    has_ended: bool,
}

impl Deadlines {
    pub(super) fn new() -> Self {
        let (armed, changed, is_due) = (Mutex::default(), Notify::new(), AtomicBool::new(false));
        Self { start: now(), armed, changed, is_due }
    }

    /// Returns the first tick that is not before `deadline`.
    pub(super) fn tick_of(&self, deadline: Instant) -> Tick {
        let nanos = deadline.saturating_duration_since(self.start).as_nanos();
        Tick::try_from(nanos.div_ceil(1_000_000)).unwrap_or(UNARMED - 1)
    }

    /// Returns the last tick that has passed.
    pub(super) fn current_tick(&self) -> Tick {
        let millis = now().saturating_duration_since(self.start).as_millis();
        Tick::try_from(millis).unwrap_or(UNARMED - 1)
    }

    /// Removes the deadline of a connection.
    pub(super) fn remove(&self, key: u32, tick: Tick) {
        lock(&self.armed).set.remove(&(tick, key));
    }

    /// Adds the deadline of a connection.
    ///
    /// # Panics
    ///
    /// The runtime has shut down, so that nothing would wake the connection. A timer of the runtime panics as well.
    pub(super) fn insert(&self, key: u32, tick: Tick) {
        let mut armed = lock(&self.armed);
        assert!(!armed.has_ended, "the runtime of the connection has shut down");
        armed.set.insert((tick, key));
        if armed.alarm.is_none_or(|alarm| tick < alarm) {
            self.changed.notify_one();
        }
    }

    /// Returns whether the alarm has gone off since the last call. If so, the caller takes the deadlines that have passed.
    pub(super) fn take_is_due(&self) -> bool {
        self.is_due.swap(false, Ordering::AcqRel)
    }

    /// Takes the keys of the connections whose deadlines have passed; all of them after the runtime has shut down.
    pub(super) fn take_passed(&self) -> Vec<usize> {
        let mut passed = Vec::new();
        let now = self.current_tick();
        let mut armed = lock(&self.armed);
        while let Some(&(tick, key)) = armed.set.first()
            && (tick <= now || armed.has_ended)
        {
            armed.set.pop_first();
            passed.push(key as usize);
        }
        self.changed.notify_one();
        passed
    }

    /// Sets the alarm for the earliest deadline.
    pub(super) fn set_alarm(&self) -> Option<tokio::time::Instant> {
        let mut armed = lock(&self.armed);
        armed.alarm = armed.set.first().map(|(tick, _)| *tick);
        self.start.checked_add(Duration::from_millis(armed.alarm?)).map(Into::into)
    }

    /// Waits until the alarm has to be set again.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Notes that deadlines have passed. The caller notifies the worker.
    pub(super) fn set_due(&self) {
        self.is_due.store(true, Ordering::Release);
    }

    /// Lets all deadlines pass, because nothing wakes the connections any more.
    pub(super) fn end(&self) {
        lock(&self.armed).has_ended = true;
        self.set_due();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.armed).set.len()
    }
}
