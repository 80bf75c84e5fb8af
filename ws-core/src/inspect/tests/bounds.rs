//! The bounds of an inspector: pages, samples, bytes.

use super::super::protocol::{Sort, View};
use super::super::sample::Sample;
use super::super::sampler::interval;
use super::super::shared::MAX_PAGES;
use super::*;
use crate::connections::{ConnectionKind, ConnectionLimits, ConnectionTracker};

#[tokio::test]
async fn pages_are_bounded_and_have_places_of_their_own() {
    let router = router(Inspector::local()).max_connections(1);
    let _guest = guest(&router, "user:1").await;
    let mut pages = Vec::new();
    for _ in 0..MAX_PAGES {
        pages.push(PageClient::open(&router).await);
    }
    let request = || TestClient::<InspectorSocket>::upgrade_at("/_ws", "/_ws").peer_addr(local());
    let mut refused = request().open_through(router.clone()).await.unwrap();
    assert_eq!(refused.closed().await.code, 1013.into());
    let mut closed = pages.pop().unwrap();
    closed.0.close(1000).await;
    closed.0.close_reason().await;
    PageClient::open(&router).await;
}

#[tokio::test]
async fn samples_are_taken_only_while_a_page_is_open() {
    let tracker = Arc::<ConnectionTracker>::default();
    let router = router(Inspector::local());
    let shared = InspectorShared::new(Inspector::local(), router.connections(), tracker);
    assert!(!shared.is_sampling());
    let handler = InspectorSocket::for_test(Arc::clone(&shared));
    let mut page = PageClient(TestClient::open(handler).await, 0);
    assert_eq!(page.next().await["type"], "hello");
    page.event("view").await;
    assert!(shared.is_sampling());
    page.0.close(1000).await;
    page.0.close_reason().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!shared.is_sampling());
    assert!(shared.latest().is_none(), "the samples are forgotten");
}

#[test]
fn samples_are_rarer_with_more_connections() {
    let seconds = [0, 20_000, 100_000].map(|connections| interval(connections).as_secs());
    assert_eq!(seconds, [1, 1, 5]);
}

static KIND: ConnectionKind = ConnectionKind { handler: std::any::type_name::<Room>, is_session: false };

/// Returns snapshots of many connections.
async fn snapshots(count: usize) -> Vec<crate::ConnectionSnapshot> {
    let tracker = Arc::<ConnectionTracker>::default();
    let permits: Vec<_> = (0..count)
        .map(|number| {
            let peer = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 1));
            let permit = tracker.admit(&ConnectionLimits::new(usize::MAX), Some(peer)).unwrap();
            permit.register_connection(std::task::Waker::noop(), &KIND, crate::clock::now());
            for tag in 0..16 {
                let tag = format!("<b>{tag} {}", "\u{1}".repeat(120));
                permit.tag(&tag, Arc::new(()), None).unwrap();
            }
            permit
        })
        .collect();
    let reports: Vec<_> = crate::router::Connections::for_test(tracker).snapshots().await;
    drop(permits);
    reports
}

#[tokio::test(start_paused = true)]
async fn bytes_for_a_page_do_not_depend_on_the_connections() {
    let mut sizes = Vec::new();
    for count in [200, 10_000] {
        let sample = Sample::new(snapshots(count).await, &Sample::default(), 1.0);
        assert_eq!(sample.totals.unresponsive, count);
        let view = View { limit: usize::MAX, sort: Sort::Peer, is_descending: true, ..View::default() };
        let page = sample.page(&view);
        assert_eq!((page.rows.len(), page.matched), (200, count));
        // Hostile tags have bytes that JSON writes as six.
        sizes.push(serde_json::to_string(&page).unwrap().len());
    }
    assert!(sizes.iter().all(|size| *size < 260_000), "{sizes:?}");
    assert!(sizes[1].abs_diff(sizes[0]) < 2_000, "{sizes:?}");
}

/// The first sample of a busy connection may be without figures. The next one has its bytes since the start.
#[tokio::test(start_paused = true)]
async fn rates_begin_with_the_first_figures() {
    let silent = snapshots(1).await;
    let with = |received| {
        let mut snapshots = silent.clone();
        (snapshots[0].received, snapshots[0].state) = (received, crate::ConnectionState::Idle);
        snapshots
    };
    let mut sample = Sample::new(silent.clone(), &Sample::default(), 1.0);
    let mut rates = Vec::new();
    for snapshots in [with(5_000), with(5_100), silent.clone(), with(5_300)] {
        sample = Sample::new(snapshots, &sample, 1.0);
        rates.push(sample.totals.received);
    }
    assert_eq!(rates, [0, 100, 0, 200]);
}
