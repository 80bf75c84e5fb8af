//! The loop of a thread.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context as Task, Waker};
use std::time::Duration;

use slab::Slab;

use super::Run;
use super::inbox::{Command, Inbox, Link, next, stirred};
use super::poll::{Events, Poll, WRITABLE};
use super::socket::Socket;
use crate::close::CloseReason;
use crate::panic::catch;

/// How long to wait after the system has refused to.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Thread {
    poll: Poll,
    inbox: Arc<Inbox>,
    connections: Connections,
    stops: bool,
}

struct Connections(Slab<Connection>);

struct Connection {
    run: Run,
    link: Arc<Link>,
    waker: Waker,
}

impl Thread {
    pub(super) fn new() -> io::Result<(Self, Arc<Inbox>)> {
        let (poll, waker, registry) = Poll::new()?;
        let inbox = Arc::new(Inbox::new(waker, registry));
        let thread =
            Self { poll, inbox: Arc::clone(&inbox), connections: Connections(Slab::new()), stops: false };
        Ok((thread, inbox))
    }

    /// Runs until nothing more will come and all connections have ended.
    pub(super) fn run(mut self) {
        self.inbox.own();
        let mut events = Events::new();
        let mut again: Vec<usize> = Vec::new();
        while !(self.stops && self.connections.0.is_empty()) {
            match self.poll.wait(&mut events, !again.is_empty()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    tracing::error!(%error, "a worker cannot wait for its sockets");
                    std::thread::sleep(PAUSE);
                }
                _ => {}
            }
            self.connections.happened(&events, &self.inbox);
            if self.inbox.has_mail() {
                for command in self.inbox.take() {
                    self.obey(command);
                }
            }
            if !again.is_empty() {
                again.drain(..).for_each(|key| self.connections.poll_queued(key, &self.inbox));
            }
            // Those that have stirred meanwhile come after the sockets.
            stirred(&mut again);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Run(stream, run) => self.begin(stream, run),
            Command::Poll(key) => self.connections.poll_queued(key, &self.inbox),
            Command::Stop => self.stops = true,
        }
    }

    fn begin(&mut self, stream: TcpStream, run: Box<dyn FnOnce(Socket) -> Run + Send>) {
        let entry = self.connections.0.vacant_entry();
        let key = entry.key();
        let stream = match self.poll.register(stream, key) {
            Ok(stream) => stream,
            Err(error) => {
                self.inbox.ended();
                // The handler is in it.
                let _ = catch(|| drop(run));
                return tracing::error!(%error, "a worker cannot take a connection");
            }
        };
        let link = Arc::new(Link::new(Arc::clone(&self.inbox), key, WRITABLE));
        let run = run(Socket::new(stream, Arc::clone(&link)));
        entry.insert(Connection { run, waker: Arc::clone(&link).into(), link });
        self.connections.poll(key, &self.inbox);
    }
}

impl Connections {
    /// Polls the connections that the events are about.
    fn happened(&mut self, events: &Events, inbox: &Inbox) {
        let mut count = 0;
        let mut polled = 0;
        // One for all of them, as almost none panics: it goes on behind the one that did.
        while catch(|| {
            while let Some((key, ready)) = events.get(count) {
                count += 1;
                polled = key;
                let Some(connection) = self.0.get_mut(key) else { continue };
                connection.link.set_ready(ready);
                if connection.poll().is_ready() {
                    self.ended(key, inbox);
                }
            }
        })
        .is_err()
        {
            self.lost(polled, inbox);
        }
    }

    /// Polls a connection that was woken. It may be another than the one that was, if that has ended
    /// since; which finds that there is nothing to do.
    fn poll_queued(&mut self, key: usize, inbox: &Inbox) {
        if let Some(connection) = self.0.get(key) {
            connection.link.unqueued();
            self.poll(key, inbox);
        }
    }

    fn poll(&mut self, key: usize, inbox: &Inbox) {
        let Some(connection) = self.0.get_mut(key) else { return };
        match catch(|| connection.poll()) {
            Ok(std::task::Poll::Pending) => {}
            Ok(std::task::Poll::Ready(_)) => self.ended(key, inbox),
            Err(_) => self.lost(key, inbox),
        }
    }

    /// A handshake has become a connection, or a connection has ended.
    #[cold]
    fn ended(&mut self, key: usize, inbox: &Inbox) {
        match (next(), self.0.get_mut(key)) {
            (Some(next), Some(connection)) => {
                connection.run = next;
                // It reads what has come meanwhile.
                self.poll(key, inbox);
            }
            _ => self.remove(key, inbox),
        }
    }

    /// Methods that panic are caught below; what gets here is a runtime that is gone.
    #[cold]
    fn lost(&mut self, key: usize, inbox: &Inbox) {
        tracing::error!("a connection has lost its runtime");
        self.remove(key, inbox);
    }

    #[cold]
    fn remove(&mut self, key: usize, inbox: &Inbox) {
        let connection = self.0.try_remove(key);
        let _ = catch(|| drop(connection));
        inbox.ended();
    }
}

impl Connection {
    #[inline(always)]
    fn poll(&mut self) -> std::task::Poll<CloseReason> {
        self.run.as_mut().poll(&mut Task::from_waker(&self.waker))
    }
}
