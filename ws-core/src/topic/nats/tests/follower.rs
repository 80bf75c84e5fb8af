//! What a process receives: messages of the history, and marks that are not stored.

use std::sync::Arc;

use futures_util::FutureExt;

use super::broker::{BrokerReader, LEN};
use super::node::Node;
use crate::sync::lock;
use crate::topic::broker::{Loss, RemoteMessage};
use crate::topic::nats::accounting::read_earlier;
use crate::topic::nats::progress::{Received, surplus};
use crate::topic::nats::tracker::Earlier;
use crate::topic::position::Position;

impl Node {
    /// Starts the follower, or lets it receive a message. Like `SubjectSubscriber::follow_once`.
    pub(super) fn follow(&mut self) {
        let mut state = lock(&self.remote.state);
        let Some(generation) = state.generation.filter(|_| state.is_connected) else { return };
        let Some(from) = state.following else {
            let (epoch, first, last) = state.stream_and_info(&mut lock(&self.broker));
            let from = state.progress.resume(epoch, first, last);
            let pending = lock(&self.broker).len_from(from.offset);
            let surplus = surplus(pending, LEN);
            let start = lock(&self.broker).nth_from(from.offset, surplus);
            (state.following, state.has_surplus) = (Some(start.unwrap_or(from.offset)), surplus > 0);
            drop(state);
            if from.has_gap {
                self.events(|events| events.lagged(generation, 0));
            }
            return;
        };
        let Some((offset, stamp, payload)) = lock(&self.broker).next_from(from) else { return };
        let pending = lock(&self.broker).len_from(offset + 1);
        let is_full = lock(&self.broker).stream_len.is_some_and(|len| pending >= len as u64);
        let is_behind = std::mem::take(&mut state.has_surplus) || is_full;
        let epoch = state.progress.epoch();
        if !state.seen_end.has_epoch(epoch) {
            state.following = None;
            return;
        }
        let mut received = state.progress.receive((offset, is_behind), Some(&stamp), Earlier::Unread);
        if let Received::Doubtful(from) = received {
            let (start, reader) = (state.progress.start(), BrokerReader(Arc::clone(&self.broker)));
            let (read, earlier) = read_earlier(&reader, from, start, offset).now_or_never().unwrap().unwrap();
            for (offset, stamp, _) in read.iter().filter(|(offset, ..)| *offset <= start) {
                state.progress.learn(&stamp.unwrap().id, *offset);
            }
            received = state.progress.receive((offset, is_behind), Some(&stamp), earlier);
        }
        state.seen_end.observe(lock(&self.broker).at(offset));
        state.following = Some(offset + 1);
        let at = Position { epoch, offset };
        if received == Received::Replaced {
            state.following = None;
            lock(&self.broker).renew_epoch(epoch);
        }
        drop(state);
        let gap = |has_gap: bool, loss: Option<Loss>| {
            if has_gap {
                self.events(|events| events.lagged(generation, 0));
            }
            if let Some(loss) = loss {
                self.events(|events| events.lost(generation, loss));
            }
        };
        match received {
            Received::Skipped { has_gap } => gap(has_gap, None),
            Received::Mark { has_gap, loss } => gap(has_gap, loss),
            Received::Message { has_gap, loss } => {
                gap(has_gap, loss);
                let message = RemoteMessage { payload, position: Some(at), except: None };
                self.events(|events| events.message_received(generation, message));
            }
            Received::Doubtful(_) => panic!("a doubt after reading"),
            Received::Replaced => {}
        }
    }

    /// Receives the next unstored mark.
    pub(super) fn receive_mark(&mut self) {
        let Some(stamp) = self.marks.pop_front() else { return };
        let mut state = lock(&self.remote.state);
        let Some(generation) = state.generation else { return };
        let is_new = state.progress.receive_unstored_mark(&stamp.id);
        drop(state);
        if is_new {
            self.events(|events| events.lagged(generation, 0));
        }
    }
}
