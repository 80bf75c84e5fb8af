//! The part of an inspector that all its pages share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::Inspector;
use super::message::ShowMessage;
use super::protocol::TotalsPoint;
use super::sample::Sample;
use crate::address::Recipient;
use crate::connections::{ConnectionId, ConnectionTracker};
use crate::router::Connections;
use crate::sync::lock;
use crate::topic::Hub;

/// The most pages that may be open at a time. A page more is told so, and closed.
pub(super) const MAX_PAGES: usize = 8;

/// The number of samples whose totals are kept.
const HISTORY: usize = 60;

/// The message to pages that a sample was taken.
#[derive(Clone, Copy)]
pub(super) struct Sampled;

/// An inspector of a router.
pub(crate) struct InspectorShared {
    pub(super) connections: Connections,
    pub(super) tracker: Arc<ConnectionTracker>,
    pub(super) hubs: Vec<(String, Hub)>,
    pub(super) show: Option<ShowMessage>,
    places: AtomicUsize,
    state: Mutex<InspectorState>,
}

#[derive(Default)]
struct InspectorState {
    pages: Vec<Recipient<Sampled>>,
    /// Whether the task that takes samples runs.
    is_sampling: bool,
    sample: Option<Arc<Sample>>,
    history: Vec<TotalsPoint>,
}

/// A place for a page, which is free again once this is dropped.
pub(crate) struct PagePlace(Arc<InspectorShared>);

impl InspectorShared {
    pub(crate) fn new(
        inspector: Inspector,
        connections: Connections,
        tracker: Arc<ConnectionTracker>,
    ) -> Arc<Self> {
        let Inspector { hubs, show, guard: _ } = inspector;
        Arc::new(Self {
            connections,
            tracker,
            hubs,
            show,
            places: AtomicUsize::new(0),
            state: Mutex::default(),
        })
    }

    /// Takes a place for a page; `None` if there are [`MAX_PAGES`].
    pub(crate) fn place(self: &Arc<Self>) -> Option<PagePlace> {
        let add = |places: usize| (places < MAX_PAGES).then_some(places + 1);
        self.places.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).ok()?;
        Some(PagePlace(Arc::clone(self)))
    }

    /// Adds a page, which gets a message after each sample. Returns true if the caller has to start the sampling.
    pub(super) fn join(&self, page: Recipient<Sampled>) -> bool {
        let mut state = lock(&self.state);
        state.pages.push(page);
        !std::mem::replace(&mut state.is_sampling, true)
    }

    /// Returns the last sample, and the totals of those before; `None` before the first.
    pub(super) fn latest(&self) -> Option<(Arc<Sample>, Vec<TotalsPoint>)> {
        let state = lock(&self.state);
        Some((Arc::clone(state.sample.as_ref()?), state.history.clone()))
    }

    /// Returns a connection of the last sample, and its handler.
    pub(super) fn find(&self, id: u64) -> Option<(ConnectionId, &'static str)> {
        self.latest()?.0.find(id)
    }

    /// Stores a sample and notifies the pages. Returns false, and forgets the samples, if no page is open.
    pub(super) fn publish(&self, sample: Arc<Sample>) -> bool {
        let mut state = lock(&self.state);
        state.pages.retain(Recipient::is_open);
        if state.pages.is_empty() {
            let samples = std::mem::take(&mut *state);
            drop(state);
            drop(samples);
            return false;
        }
        let totals = &sample.totals;
        state.history.push(TotalsPoint(totals.connections, totals.received, totals.sent));
        let excess = state.history.len().saturating_sub(HISTORY);
        state.history.drain(..excess);
        let previous = state.sample.replace(sample);
        let pages = state.pages.clone();
        drop(state);
        drop(previous);
        for page in pages {
            // A page whose mailbox is full or closed gets the next sample, or none.
            _ = page.send(Sampled);
        }
        true
    }

    #[cfg(test)]
    pub(super) fn is_sampling(&self) -> bool {
        lock(&self.state).is_sampling
    }
}

impl Drop for PagePlace {
    fn drop(&mut self) {
        self.0.places.fetch_sub(1, Ordering::AcqRel);
    }
}
