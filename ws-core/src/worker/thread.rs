//! The loop of a thread.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context as Task, Waker};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::Run;
use super::inbox::{Command, Inbox, Link, next, stirred};
use super::socket::{Socket, WRITABLE, readiness};

/// Events that are taken from the kernel at once.
const EVENTS: usize = 1024;

/// How long to wait after the system has refused to.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// The inbox; no connection has that key.
const INBOX: Token = Token(usize::MAX);

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
        let poll = Poll::new()?;
        let inbox =
            Arc::new(Inbox::new(mio::Waker::new(poll.registry(), INBOX)?, poll.registry().try_clone()?));
        let thread =
            Self { poll, inbox: Arc::clone(&inbox), connections: Connections(Slab::new()), stops: false };
        Ok((thread, inbox))
    }

    /// Runs until nothing more will come and all connections have ended.
    pub(super) fn run(mut self) {
        self.inbox.own();
        let mut events = Events::with_capacity(EVENTS);
        let mut again = Vec::new();
        while !(self.stops && self.connections.0.is_empty()) {
            let wait = (!again.is_empty()).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    tracing::error!(%error, "a worker cannot wait for its sockets");
                    std::thread::sleep(PAUSE);
                }
                _ => {}
            }
            for event in &events {
                let Token(key) = event.token();
                if let Some(connection) = self.connections.0.get(key) {
                    connection.link.set_ready(readiness(event));
                    self.connections.poll(key, &self.inbox);
                }
            }
            if self.inbox.has_mail() {
                for command in self.inbox.take() {
                    self.obey(command);
                }
            }
            for key in again {
                self.connections.poll_queued(key, &self.inbox);
            }
            // Those that have stirred meanwhile come after the sockets.
            again = stirred();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Run(stream, run) => self.begin(stream, run),
            Command::Poll(key) => self.connections.poll_queued(key, &self.inbox),
            Command::Stop => self.stops = true,
        }
    }

    fn begin(&mut self, mut stream: TcpStream, run: Box<dyn FnOnce(Socket) -> Run + Send>) {
        let entry = self.connections.0.vacant_entry();
        let key = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, Token(key), interest) {
            self.inbox.ended();
            // The handler is in it.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(run)));
            return tracing::error!(%error, "a worker cannot take a connection");
        }
        // What has come already is an event.
        let link = Arc::new(Link::new(Arc::clone(&self.inbox), key, WRITABLE));
        let run = run(Socket::new(stream, Arc::clone(&link)));
        entry.insert(Connection { run, waker: Arc::clone(&link).into(), link });
        self.connections.poll(key, &self.inbox);
    }
}

impl Connections {
    /// Polls a connection that was woken. It may be another than the one that was, if that has ended
    /// since; which finds that there is nothing to do.
    fn poll_queued(&mut self, key: usize, inbox: &Inbox) {
        if let Some(connection) = self.0.get(key) {
            connection.link.unqueued();
            self.poll(key, inbox);
        }
    }

    #[inline]
    fn poll(&mut self, key: usize, inbox: &Inbox) {
        let Some(connection) = self.0.get_mut(key) else { return };
        let mut task = Task::from_waker(&connection.waker);
        // Methods that panic are caught below; what gets here is a runtime that is gone.
        let poll = catch_unwind(AssertUnwindSafe(|| connection.run.as_mut().poll(&mut task)));
        if poll.is_err() {
            tracing::error!("a connection has lost its runtime");
        }
        if !matches!(poll, Ok(std::task::Poll::Pending)) {
            if let Some(next) = next() {
                // It reads what has come meanwhile.
                connection.run = next;
                return self.poll(key, inbox);
            }
            let connection = self.0.remove(key);
            let _ = catch_unwind(AssertUnwindSafe(|| drop(connection)));
            inbox.ended();
        }
    }
}
