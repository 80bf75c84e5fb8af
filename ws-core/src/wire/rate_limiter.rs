//! Limits on events per second.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// A token bucket that holds one second's worth of events.
///
/// The limit may be used up in one burst. After that, events are allowed at an even pace. The bucket is
/// stored as the time at which it is full again (the generic cell rate algorithm, ITU-T I.371), so that
/// no task has to refill it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimiter {
    full_at: Instant,
}

impl RateLimiter {
    /// Creates a full bucket.
    pub(crate) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Returns whether one more event is allowed at `now`. A rejected event is not counted.
    pub(crate) fn allows(&mut self, per_second: u32, now: Instant) -> bool {
        self.allows_delayed(per_second, now, now)
    }

    /// Like [`allows`](Self::allows), but for an event that is observed at `now` and may have happened at
    /// any time after `since`.
    pub(crate) fn allows_delayed(&mut self, per_second: u32, since: Instant, now: Instant) -> bool {
        let Some(interval) = SECOND.checked_div(per_second) else { return false };
        let full_at = self.full_at.max(since) + interval;
        let allowed = full_at.saturating_duration_since(now) <= SECOND;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_a_burst_of_one_second_and_then_an_even_pace() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(start);
        let mut allowed = |count: usize, millis| {
            let now = start + Duration::from_millis(millis);
            (0..count).take_while(|_| limiter.allows(4, now)).count()
        };
        assert_eq!(allowed(9, 0), 4);
        assert_eq!(allowed(9, 249), 0);
        assert_eq!(allowed(9, 250), 1);
        assert_eq!(allowed(9, 999), 2);
        // A longer pause does not allow a larger burst.
        assert_eq!(allowed(9, 60_000), 4);
        assert_eq!(allowed(9, 60_500), 2);
    }

    #[test]
    fn accepts_zero_and_very_large_limits() {
        let now = Instant::now();
        let mut limiter = RateLimiter::new(now);
        assert!(!limiter.allows(0, now));
        // The limit exceeds the number of nanoseconds in a second.
        assert!((0..10_000).all(|_| limiter.allows(u32::MAX, now)));
    }

    #[test]
    fn does_not_treat_delayed_events_as_a_burst() {
        let start = Instant::now();
        let later = start + SECOND * 3;
        let mut limiter = RateLimiter::new(start);
        assert!(limiter.allows(2, start));
        // Two events for each of the three seconds, and the one that is left of the first two.
        assert_eq!((0..99).filter(|_| limiter.allows_delayed(2, start, later)).count(), 7);
        assert_eq!((0..99).filter(|_| limiter.allows(2, later + SECOND)).count(), 2);
    }
}
