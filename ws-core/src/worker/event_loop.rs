//! The event loop of a worker's thread.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use slab::Slab;

use super::alarm::Alarm;
use super::future::{Finished, SlotFuture};
use super::inbox::{Command, Inbox, StartFuture};
use super::poll::{ELAPSED, Events, Poller, WRITABLE};
use super::socket::Socket;
use super::stall::{PollCounter, PollWatch};
use super::wake_queue::{ConnectionHandle, WakeQueue, take_woken};
use crate::panic::catch;
use crate::shrink::{MIN_CAPACITY, SlabShrinker, is_sparse};

/// How long a thread pauses after a system call for events or connections has failed.
pub(super) const ERROR_BACKOFF: Duration = Duration::from_millis(50);

pub(super) struct EventLoop {
    poller: Poller,
    inbox: Arc<Inbox>,
    wake_queue: Arc<WakeQueue>,
    slots: Slots,
    stopping: bool,
    /// Ends with the event loop.
    alarm: Option<Alarm>,
}

/// The connections of a worker. The key of a slot identifies its socket in events and wake-ups.
struct Slots {
    slab: Slab<Slot>,
    shrinker: SlabShrinker,
    watch: PollWatch,
}

struct Slot {
    future: SlotFuture,
    handle: Arc<ConnectionHandle>,
    waker: Waker,
}

impl EventLoop {
    pub(super) fn new(polls: Arc<PollCounter>) -> io::Result<(Self, Arc<Inbox>)> {
        let (poller, waker, registry) = Poller::new()?;
        let wake_queue = Arc::new(WakeQueue::new(waker, registry));
        let inbox = Arc::new(Inbox::new(Arc::clone(&wake_queue)));
        let (slab, shrinker) = (Slab::new(), SlabShrinker::default());
        let slots = Slots { slab, shrinker, watch: PollWatch::new(polls) };
        let stopping = false;
        let event_loop = Self { poller, inbox: Arc::clone(&inbox), wake_queue, slots, stopping, alarm: None };
        Ok((event_loop, inbox))
    }

    /// Starts the alarm for the deadlines of the connections, in the current runtime.
    pub(super) fn start_alarm(&mut self) {
        self.alarm = Some(Alarm::start(Arc::clone(&self.wake_queue)));
    }

    /// Runs until a stop command was received and the last connection has ended.
    pub(super) fn run(mut self) {
        self.wake_queue.bind_to_thread();
        let mut events = Events::new();
        let mut woken: Vec<usize> = Vec::new();
        while !(self.stopping && self.slots.slab.is_empty()) {
            match self.poller.wait(&mut events, !woken.is_empty()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    tracing::error!(%error, "a worker cannot wait for its sockets");
                    std::thread::sleep(ERROR_BACKOFF);
                }
                _ => {}
            }
            self.slots.poll_ready(&events, &self.inbox);
            if self.wake_queue.take_notified() {
                for command in self.inbox.take() {
                    self.execute(command);
                }
                for key in self.wake_queue.take() {
                    self.slots.poll_queued(key, &self.inbox);
                }
                if self.wake_queue.deadlines.take_is_due() {
                    for key in self.wake_queue.deadlines.take_passed() {
                        self.slots.poll_elapsed(key, &self.inbox);
                    }
                }
            }
            if !woken.is_empty() {
                woken.drain(..).for_each(|key| self.slots.poll_queued(key, &self.inbox));
                shrink_woken(&mut woken, self.slots.slab.len());
            }
            // Connections that were woken during this iteration are polled after the sockets of the next
            // one.
            take_woken(&mut woken);
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Start(stream, start) => self.start(stream, start),
            Command::Probe(function) => function(),
            Command::Stop => self.stopping = true,
        }
    }

    fn start(&mut self, stream: TcpStream, start: StartFuture) {
        let entry = self.slots.slab.vacant_entry();
        let key = entry.key();
        let stream = match self.poller.register(stream, key) {
            Ok(stream) => stream,
            Err(error) => {
                self.inbox.connection_ended();
                // The closure may own the handler, whose drop can panic.
                let _ = catch(|| drop(start));
                return tracing::error!(%error, "a worker cannot register a connection");
            }
        };
        let handle = Arc::new(ConnectionHandle::new(Arc::clone(&self.wake_queue), key, WRITABLE));
        let future = start(Socket::new(stream, Arc::clone(&handle)));
        entry.insert(Slot { future, waker: Arc::clone(&handle).into(), handle });
        self.slots.poll(key, &self.inbox);
    }
}

impl Slots {
    /// Polls the connections whose sockets have events.
    fn poll_ready(&mut self, events: &Events, inbox: &Inbox) {
        let mut index = 0;
        let mut last_polled = 0;
        // PERF: one `catch` around all events, because panics are rare; after a panic the loop continues
        // with the next event. budget: text64
        while catch(|| {
            while let Some((key, ready)) = events.get(index) {
                index += 1;
                last_polled = key;
                let Some(slot) = self.slab.get_mut(key) else { continue };
                slot.handle.set_ready(ready);
                self.watch.begin();
                let polled = slot.poll();
                self.watch.end(slot.future.is_handshake());
                if let Poll::Ready(finished) = polled {
                    self.on_finished(key, finished, inbox);
                }
            }
        })
        .is_err()
        {
            self.watch.end(false);
            self.on_runtime_gone(last_polled, inbox);
        }
    }

    /// Polls a connection that was woken. If that connection has ended since, its key may already belong
    /// to another one, for which the poll is spurious.
    fn poll_queued(&mut self, key: usize, inbox: &Inbox) {
        if let Some(slot) = self.slab.get(key) {
            slot.handle.mark_dequeued();
            self.poll(key, inbox);
        }
    }

    /// Polls a connection whose deadline has passed.
    fn poll_elapsed(&mut self, key: usize, inbox: &Inbox) {
        if let Some(slot) = self.slab.get(key) {
            slot.handle.set_ready(ELAPSED);
            self.poll(key, inbox);
        }
    }

    fn poll(&mut self, key: usize, inbox: &Inbox) {
        let Some(slot) = self.slab.get_mut(key) else { return };
        self.watch.begin();
        let polled = catch(|| slot.poll());
        self.watch.end(slot.future.is_handshake());
        match polled {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(finished)) => self.on_finished(key, finished, inbox),
            Err(_) => self.on_runtime_gone(key, inbox),
        }
    }

    /// Turns a completed handshake into its connection, or removes a connection that has ended.
    #[cold]
    fn on_finished(&mut self, key: usize, finished: Finished, inbox: &Inbox) {
        match (finished, self.slab.get_mut(key)) {
            (Finished::Becomes(connection), Some(slot)) => {
                slot.future = SlotFuture::Connection(connection);
                // The socket may have become readable during the handshake, and gives no new event.
                self.poll(key, inbox);
            }
            _ => self.remove(key, inbox),
        }
    }

    /// Removes a connection whose poll has panicked. Panics of methods are caught below this, so the
    /// panic is from a timer or a socket of a runtime that has shut down.
    #[cold]
    fn on_runtime_gone(&mut self, key: usize, inbox: &Inbox) {
        tracing::error!("the runtime of a connection has shut down");
        self.remove(key, inbox);
    }

    #[cold]
    fn remove(&mut self, key: usize, inbox: &Inbox) {
        let slot = self.slab.try_remove(key);
        self.shrinker.after_remove(&mut self.slab);
        let _ = catch(|| drop(slot));
        inbox.connection_ended();
    }
}

/// Returns memory of a queue for the keys of woken connections, which has each connection once at most.
fn shrink_woken(woken: &mut Vec<usize>, connections: usize) {
    if is_sparse(connections, woken.capacity(), MIN_CAPACITY) {
        woken.shrink_to(2 * connections);
    }
}

impl Slot {
    // PERF: inlined into the loop over the events. budget: text64
    #[inline(always)]
    fn poll(&mut self) -> Poll<Finished> {
        self.future.poll(&mut TaskContext::from_waker(&self.waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_peak_of_connections_is_returned() {
        let (mut event_loop, inbox) = EventLoop::new(PollCounter::new(&Arc::default())).unwrap();
        let EventLoop { slots, wake_queue, .. } = &mut event_loop;
        for key in 0..10_000 {
            let handle = Arc::new(ConnectionHandle::new(Arc::clone(wake_queue), key, WRITABLE));
            let future = SlotFuture::Connection(Box::pin(std::future::pending()));
            slots.slab.insert(Slot { future, waker: Arc::clone(&handle).into(), handle });
        }
        let mut woken: Vec<usize> = (0..10_000).collect();
        let peak = (slots.slab.capacity(), woken.capacity());
        // A connection that stays, and ends of the others in no order of their keys.
        for key in 0..10_000 {
            let key = key * 7_919 % 10_000;
            if key != 3 {
                slots.remove(key, &inbox);
            }
        }
        woken.clear();
        shrink_woken(&mut woken, slots.slab.len());
        let remaining = (slots.slab.capacity(), woken.capacity());
        let is_returned = remaining.0 <= MIN_CAPACITY && remaining.1 <= MIN_CAPACITY;
        assert!(peak >= (10_000, 10_000) && is_returned, "{remaining:?} of {peak:?}");
        assert!(slots.slab.contains(3));
    }
}
