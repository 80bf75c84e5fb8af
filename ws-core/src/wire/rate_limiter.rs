//! How many things may happen in a second.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Counts what happens against a number per second: as many may come at once, and then as many in
/// each second. A token bucket that holds one second's worth, kept as the time at which it is full
/// again (the generic cell rate algorithm, ITU-T I.371), so that nothing has to fill it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimiter {
    full_at: Instant,
}

impl RateLimiter {
    /// A full bucket.
    pub(crate) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Whether one more may happen. What may not is not counted.
    pub(crate) fn allows(&mut self, per_second: u32, now: Instant) -> bool {
        self.allows_delayed(per_second, now, now)
    }

    /// The same of what was noticed now, and happened at any time since `since`.
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
    fn a_seconds_worth_at_once_and_then_one_by_one() {
        let start = Instant::now();
        let mut rate = RateLimiter::new(start);
        let mut many = |count: usize, millis| {
            let now = start + Duration::from_millis(millis);
            (0..count).take_while(|_| rate.allows(4, now)).count()
        };
        assert_eq!(many(9, 0), 4);
        assert_eq!(many(9, 249), 0);
        assert_eq!(many(9, 250), 1);
        assert_eq!(many(9, 999), 2);
        // However long nothing comes, it is a second's worth again and no more.
        assert_eq!(many(9, 60_000), 4);
        assert_eq!(many(9, 60_500), 2);
    }

    #[test]
    fn none_and_very_many() {
        let now = Instant::now();
        let mut rate = RateLimiter::new(now);
        assert!(!rate.allows(0, now));
        // More than there are nanoseconds in a second.
        assert!((0..10_000).all(|_| rate.allows(u32::MAX, now)));
    }

    #[test]
    fn what_waited_is_no_burst() {
        let start = Instant::now();
        let later = start + SECOND * 3;
        let mut rate = RateLimiter::new(start);
        assert!(rate.allows(2, start));
        // Two for each of the three seconds, and the one that is left of the first two.
        assert_eq!((0..99).filter(|_| rate.allows_delayed(2, start, later)).count(), 7);
        assert_eq!((0..99).filter(|_| rate.allows(2, later + SECOND)).count(), 2);
    }
}
