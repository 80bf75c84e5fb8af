//! The timers of one connection. The current time is an argument.

use std::collections::BinaryHeap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::shrink::is_sparse;

/// Capacity up to which the timers of a connection keep their memory.
const MIN_CAPACITY: usize = 64;

/// The id of a timer that [`Context::send_after`](crate::Context::send_after) or
/// [`Context::send_every`](crate::Context::send_every) started.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Typing { pause: Option<TimerId> }
/// struct Pause;
///
/// #[websocket]
/// impl Typing {
///     /// Each message restarts the timer.
///     #[on_text]
///     fn text(&mut self, _: &str, cx: &mut Context<Self>) {
///         let timer = cx.send_after(Duration::from_secs(3), Pause);
///         if let Some(before) = self.pause.replace(timer) {
///             cx.cancel(before);
///         }
///     }
///     #[on_info]
///     fn pause(&mut self, _: Pause) -> &'static str {
///         "what next?"
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Typing::default()).await;
/// for _ in 0..3 {
///     client.send("…").await;
///     client.advance(Duration::from_secs(2)).await;
/// }
/// client.expect_nothing().await;
/// client.advance(Duration::from_secs(1)).await;
/// assert_eq!(client.text().await, "what next?");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId(u64);

/// A timer that is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due<I> {
    /// The index of a method of the handler.
    Method(usize),
    /// A message for the handler.
    Info(I),
}

/// The timers of a handler with messages of type `I`. They are boxed, because most connections have none.
pub(crate) struct Timers<I>(Option<Box<TimerHeap<I>>>);

struct TimerHeap<I> {
    /// The timer that is due next is on top.
    heap: BinaryHeap<TimerEntry<I>>,
    /// The id of the next timer that is added.
    next: u64,
}

struct TimerEntry<I> {
    at: Instant,
    id: u64,
    action: TimerAction<I>,
}

enum TimerAction<I> {
    Method { index: usize, period: Option<Duration> },
    Once(I),
    Every { period: Duration, make: Box<dyn FnMut() -> I + Send> },
}

impl<I> Timers<I> {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    /// Starts a timer for a method. A timer with a `period` repeats.
    pub(crate) fn method(&mut self, index: usize, at: Instant, period: Option<Duration>) {
        self.add(at, TimerAction::Method { index, period });
    }

    /// Starts a timer for one message.
    pub(crate) fn once(&mut self, at: Instant, info: I) -> TimerId {
        self.add(at, TimerAction::Once(info))
    }

    /// Starts a timer for a message in each `period`.
    pub(crate) fn every(
        &mut self,
        at: Instant,
        period: Duration,
        make: Box<dyn FnMut() -> I + Send>,
    ) -> TimerId {
        self.add(at, TimerAction::Every { period, make })
    }

    /// Stops a timer. Returns false if the timer has fired or was stopped.
    pub(crate) fn cancel(&mut self, TimerId(id): TimerId) -> bool {
        let Some(timers) = &mut self.0 else { return false };
        let before = timers.heap.len();
        timers.heap.retain(|entry| entry.id != id);
        timers.shrink();
        timers.heap.len() < before
    }

    /// Stops the timers of the methods that `ends` selects by their index.
    pub(crate) fn cancel_methods(&mut self, ends: impl Fn(usize) -> bool) {
        if let Some(timers) = &mut self.0 {
            timers
                .heap
                .retain(|entry| !matches!(entry.action, TimerAction::Method { index, .. } if ends(index)));
            timers.shrink();
        }
    }

    /// Stops all timers, and returns them for the caller to drop.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|timers| timers.heap.is_empty())
    }

    /// Returns when the next timer is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref()?.heap.peek().map(|entry| entry.at)
    }

    /// Returns the next timer that is due.
    ///
    /// A repeating timer is set to its first tick after `now`. Missed ticks are skipped, and the later ticks
    /// remain multiples of the period.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Due<I>> {
        if self.deadline()? > now {
            return None;
        }
        let timers = self.0.as_mut()?;
        let TimerEntry { at, id, action } = timers.heap.pop()?;
        timers.shrink();
        let heap = &mut timers.heap;
        Some(match action {
            TimerAction::Once(info) => Due::Info(info),
            TimerAction::Method { index, period } => {
                if let Some(period) = period {
                    heap.push(TimerEntry { at: next_tick(at, period, now), id, action });
                }
                Due::Method(index)
            }
            TimerAction::Every { period, mut make } => {
                let info = make();
                heap.push(TimerEntry {
                    at: next_tick(at, period, now),
                    id,
                    action: TimerAction::Every { period, make },
                });
                Due::Info(info)
            }
        })
    }

    fn add(&mut self, at: Instant, action: TimerAction<I>) -> TimerId {
        let timers = self.0.get_or_insert_with(|| Box::new(TimerHeap { heap: BinaryHeap::new(), next: 0 }));
        let id = timers.next;
        timers.next += 1;
        if timers.heap.is_empty() {
            // Most connections have one timer.
            timers.heap.reserve_exact(1);
        }
        timers.heap.push(TimerEntry { at, id, action });
        TimerId(id)
    }
}

impl<I> TimerHeap<I> {
    /// Returns the memory of a peak of timers.
    fn shrink(&mut self) {
        let len = self.heap.len();
        if is_sparse(len, self.heap.capacity(), MIN_CAPACITY) {
            self.heap.shrink_to(2 * len);
        }
    }
}

/// Returns the first tick after `now`.
fn next_tick(at: Instant, period: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(at).as_nanos();
    let missed = late / period.as_nanos().max(1);
    let step = u32::try_from(missed + 1).ok().and_then(|ticks| period.checked_mul(ticks));
    step.and_then(|step| at.checked_add(step)).unwrap_or(now + period)
}

/// The order of the heap: the top is the timer that is due first. Of timers that are due at the same time, the
/// top is the one that was started first.
impl<I> Ord for TimerEntry<I> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.id).cmp(&(self.at, self.id))
    }
}

impl<I> PartialOrd for TimerEntry<I> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<I> PartialEq for TimerEntry<I> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.id) == (other.at, other.id)
    }
}

impl<I> Eq for TimerEntry<I> {}

impl<I> fmt::Debug for Timers<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.0.as_ref().map_or(0, |timers| timers.heap.len());
        f.debug_struct("Timers").field("pending", &pending).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn fires_in_order_of_time_then_of_start() {
        let start = Instant::now();
        let mut timers = Timers::new();
        timers.once(start + 2 * S, "c");
        timers.once(start + S, "a");
        timers.once(start + S, "b");
        assert_eq!(timers.deadline(), Some(start + S));
        assert_eq!(timers.pop(start), None);
        let due: Vec<_> = std::iter::from_fn(|| timers.pop(start + 3 * S)).collect();
        assert_eq!(due, [Due::Info("a"), Due::Info("b"), Due::Info("c")]);
        assert_eq!(timers.deadline(), None);
    }

    #[test]
    fn skips_missed_ticks_and_stays_periodic() {
        let start = Instant::now();
        let mut timers = Timers::<()>::new();
        timers.method(7, start + S, Some(S));
        assert_eq!(timers.pop(start + S * 7 / 2), Some(Due::Method(7)));
        assert_eq!(timers.pop(start + S * 7 / 2), None);
        assert_eq!(timers.deadline(), Some(start + 4 * S));
    }

    #[test]
    fn memory_of_a_peak_of_timers_is_returned() {
        let start = Instant::now();
        let capacity = |timers: &Timers<u32>| timers.0.as_ref().unwrap().heap.capacity();
        for is_cancelled in [false, true] {
            let mut timers = Timers::new();
            timers.method(7, start + S, Some(S));
            let ids: Vec<_> = (0..10_000).map(|number| timers.once(start, number)).collect();
            let peak = capacity(&timers);
            for (number, id) in (0..).zip(ids) {
                // The last ones are enough, because a cancellation looks at every timer.
                if is_cancelled && number >= 9_000 {
                    assert!(timers.cancel(id));
                } else {
                    assert_eq!(timers.pop(start), Some(Due::Info(number)));
                }
            }
            let remaining = capacity(&timers);
            assert!(peak >= 10_000 && remaining <= MIN_CAPACITY, "{remaining} of {peak}");
            assert_eq!(timers.deadline(), Some(start + S));
        }
    }

    #[test]
    fn cancel_removes_a_timer() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let tick = timers.every(start + S, S, Box::new(|| 1));
        assert_eq!(timers.pop(start + S), Some(Due::Info(1)));
        assert!(timers.cancel(tick));
        assert!(!timers.cancel(tick));
        assert_eq!(timers.deadline(), None);
    }
}
