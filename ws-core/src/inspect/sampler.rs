//! The task that takes samples while a page is open.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::sample::Sample;
use super::shared::InspectorShared;

/// The shortest time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// The most connections of which a second's samples consist. With more connections, samples are rarer.
const PER_SECOND: u32 = 20_000;

/// Returns the time between two samples of so large a number of connections.
pub(super) fn interval(connections: usize) -> Duration {
    INTERVAL.max(INTERVAL / PER_SECOND * u32::try_from(connections).unwrap_or(u32::MAX))
}

/// Takes samples until no page is open.
pub(super) async fn run(shared: Arc<InspectorShared>) {
    let mut previous = Arc::<Sample>::default();
    let mut taken_at: Option<Instant> = None;
    loop {
        let now = Instant::now();
        let snapshots = shared.connections.snapshots().await;
        let seconds = taken_at.map_or(0.0, |taken_at| (now - taken_at).as_secs_f64());
        let sample = Arc::new(Sample::new(snapshots, &previous, seconds));
        taken_at = Some(now);
        if !shared.publish(Arc::clone(&sample)) {
            return;
        }
        let next = now + interval(sample.totals.connections);
        previous = sample;
        tokio::time::sleep_until(next).await;
    }
}
