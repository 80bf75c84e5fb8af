//! The loop of a thread.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use slab::Slab;

use super::ConnectionFuture;
use super::inbox::{Command, ConnectionHandle, Inbox, take_successor, take_woken};
use super::poll::{Events, Poller, WRITABLE};
use super::socket::Socket;
use crate::close::CloseReason;
use crate::panic::catch;

/// How long to wait after the system has refused to.
pub(super) const ERROR_BACKOFF: Duration = Duration::from_millis(50);

pub(super) struct EventLoop {
    poll: Poller,
    inbox: Arc<Inbox>,
    slots: Slots,
    stopping: bool,
}

struct Slots(Slab<Slot>);

struct Slot {
    future: ConnectionFuture,
    handle: Arc<ConnectionHandle>,
    waker: Waker,
}

impl EventLoop {
    pub(super) fn new() -> io::Result<(Self, Arc<Inbox>)> {
        let (poll, waker, registry) = Poller::new()?;
        let inbox = Arc::new(Inbox::new(waker, registry));
        let event_loop = Self { poll, inbox: Arc::clone(&inbox), slots: Slots(Slab::new()), stopping: false };
        Ok((event_loop, inbox))
    }

    /// Runs until nothing more will come and all connections have ended.
    pub(super) fn run(mut self) {
        self.inbox.bind_to_thread();
        let mut events = Events::new();
        let mut woken: Vec<usize> = Vec::new();
        while !(self.stopping && self.slots.0.is_empty()) {
            match self.poll.wait(&mut events, !woken.is_empty()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    tracing::error!(%error, "a worker cannot wait for its sockets");
                    std::thread::sleep(ERROR_BACKOFF);
                }
                _ => {}
            }
            self.slots.poll_ready(&events, &self.inbox);
            if self.inbox.has_commands() {
                for command in self.inbox.take_commands() {
                    self.execute(command);
                }
            }
            if !woken.is_empty() {
                woken.drain(..).for_each(|key| self.slots.poll_queued(key, &self.inbox));
            }
            // Those that have stirred meanwhile come after the sockets.
            take_woken(&mut woken);
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Run(stream, run) => self.begin(stream, run),
            Command::Poll(key) => self.slots.poll_queued(key, &self.inbox),
            Command::Stop => self.stopping = true,
        }
    }

    fn begin(&mut self, stream: TcpStream, run: Box<dyn FnOnce(Socket) -> ConnectionFuture + Send>) {
        let entry = self.slots.0.vacant_entry();
        let key = entry.key();
        let stream = match self.poll.register(stream, key) {
            Ok(stream) => stream,
            Err(error) => {
                self.inbox.connection_ended();
                // The handler is in it.
                let _ = catch(|| drop(run));
                return tracing::error!(%error, "a worker cannot take a connection");
            }
        };
        let handle = Arc::new(ConnectionHandle::new(Arc::clone(&self.inbox), key, WRITABLE));
        let future = run(Socket::new(stream, Arc::clone(&handle)));
        entry.insert(Slot { future, waker: Arc::clone(&handle).into(), handle });
        self.slots.poll(key, &self.inbox);
    }
}

impl Slots {
    /// Polls the connections that the events are about.
    fn poll_ready(&mut self, events: &Events, inbox: &Inbox) {
        let mut index = 0;
        let mut last_polled = 0;
        // One for all of them, as almost none panics: it goes on behind the one that did.
        while catch(|| {
            while let Some((key, ready)) = events.get(index) {
                index += 1;
                last_polled = key;
                let Some(slot) = self.0.get_mut(key) else { continue };
                slot.handle.set_ready(ready);
                if slot.poll().is_ready() {
                    self.on_finished(key, inbox);
                }
            }
        })
        .is_err()
        {
            self.on_runtime_gone(last_polled, inbox);
        }
    }

    /// Polls a connection that was woken. It may be another than the one that was, if that has ended
    /// since; which finds that there is nothing to do.
    fn poll_queued(&mut self, key: usize, inbox: &Inbox) {
        if let Some(slot) = self.0.get(key) {
            slot.handle.mark_dequeued();
            self.poll(key, inbox);
        }
    }

    fn poll(&mut self, key: usize, inbox: &Inbox) {
        let Some(slot) = self.0.get_mut(key) else { return };
        match catch(|| slot.poll()) {
            Ok(std::task::Poll::Pending) => {}
            Ok(std::task::Poll::Ready(_)) => self.on_finished(key, inbox),
            Err(_) => self.on_runtime_gone(key, inbox),
        }
    }

    /// A handshake has become a connection, or a connection has ended.
    #[cold]
    fn on_finished(&mut self, key: usize, inbox: &Inbox) {
        match (take_successor(), self.0.get_mut(key)) {
            (Some(successor), Some(slot)) => {
                slot.future = successor;
                // It reads what has come meanwhile.
                self.poll(key, inbox);
            }
            _ => self.remove(key, inbox),
        }
    }

    /// Methods that panic are caught below; what gets here is a runtime that is gone.
    #[cold]
    fn on_runtime_gone(&mut self, key: usize, inbox: &Inbox) {
        tracing::error!("a connection has lost its runtime");
        self.remove(key, inbox);
    }

    #[cold]
    fn remove(&mut self, key: usize, inbox: &Inbox) {
        let slot = self.0.try_remove(key);
        let _ = catch(|| drop(slot));
        inbox.connection_ended();
    }
}

impl Slot {
    #[inline(always)]
    fn poll(&mut self) -> std::task::Poll<CloseReason> {
        self.future.as_mut().poll(&mut TaskContext::from_waker(&self.waker))
    }
}
