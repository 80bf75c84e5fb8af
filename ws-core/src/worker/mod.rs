//! Threads that run connections and nothing else.
//!
//! A worker waits for its sockets and its inbox with one system call. It polls the connection that an
//! event belongs to, without a queue, a lock or a wake-up between the kernel and the connection. The runtime
//! that has started the threads wakes a worker when a deadline of a connection has passed. Whatever the methods of
//! handlers use runs on that runtime.

mod alarm;
mod deadlines;
mod event_loop;
mod future;
mod inbox;
mod listener;
mod poll;
mod socket;
mod stall;
mod wake_queue;
mod watch;

use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

use event_loop::EventLoop;
use future::SlotFuture;
pub(crate) use future::{ConnectionFuture, Finished};
use inbox::{Command, Inbox};
pub(crate) use listener::{ListenerThread, drain, is_connection_error};
pub(crate) use socket::Socket;
use stall::{PollCounter, StallWatch, WatchHandle};
pub(crate) use watch::{ThreadWatch, WatchedThread};

use crate::close::CloseReason;
use crate::handler::Handler;
#[cfg(feature = "metrics")]
use crate::metrics::LoopMetrics;

/// The workers of a server. Each thread ends when this was dropped and its last connection has ended.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Vec<Arc<Inbox>>,
    kinds: WorkerKinds,
    /// Ends with the workers.
    stalls: Option<StallWatch>,
}

/// The connections that workers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerKinds {
    /// Those of all handlers.
    All,
    /// Those of handlers without async methods, to which the thread makes no difference.
    Sync,
}

impl Workers {
    /// Starts `count` threads inside the context of the current runtime.
    ///
    /// # Errors
    ///
    /// The system has no more threads or file descriptors.
    pub(crate) fn start(count: usize, kinds: WorkerKinds) -> io::Result<Self> {
        let mut workers = Self { threads: Vec::new(), kinds, stalls: None };
        let watch = Arc::new(WatchHandle::default());
        let polls: Vec<_> = (0..count).map(|_| PollCounter::new(&watch)).collect();
        for (index, polls) in polls.iter().enumerate() {
            let (mut event_loop, inbox) = EventLoop::new(Arc::clone(polls))?;
            event_loop.start_alarm();
            let runtime = Handle::current();
            #[cfg(feature = "metrics")]
            let metrics = LoopMetrics::start(format!("worker-{index}"), Arc::clone(&inbox) as _);
            std::thread::Builder::new().name(worker_name(index)).spawn(move || {
                #[cfg(feature = "metrics")]
                let _metrics = metrics;
                let _context = runtime.enter();
                event_loop.run();
            })?;
            workers.threads.push(inbox);
        }
        workers.stalls = Some(StallWatch::start(polls, watch)?);
        Ok(workers)
    }

    /// Returns whether the workers run the connections of a handler.
    pub(crate) fn run<H: Handler>(&self) -> bool {
        self.kinds == WorkerKinds::All || !H::ASYNC
    }

    /// Runs a connection on the worker that has the fewest connections.
    ///
    /// # Errors
    ///
    /// The socket cannot be deregistered from the runtime.
    pub(crate) fn spawn<F>(
        &self,
        tcp: tokio::net::TcpStream,
        run: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = CloseReason> + Send + 'static,
    {
        let start = |socket| SlotFuture::Connection(Box::pin(run(socket)));
        self.push(tcp.into_std()?, Inbox::push, start);
        Ok(())
    }

    /// Like [`spawn`](Self::spawn), but for a handshake on a socket that no runtime has registered. The
    /// worker starts it after the next [`wake`](Self::wake).
    pub(crate) fn spawn_handshake<F>(
        &self,
        tcp: TcpStream,
        handshake: impl FnOnce(Socket) -> F + Send + 'static,
    ) where
        F: Future<Output = Finished> + Send + 'static,
    {
        let start = |socket| SlotFuture::Handshake(Box::pin(handshake(socket)));
        self.push(tcp, Inbox::push_without_wake, start);
    }

    /// Returns the threads for a [`Watch`].
    pub(crate) fn watched(&self) -> Vec<WatchedThread> {
        let watched = |(index, inbox): (usize, &Arc<Inbox>)| {
            let inbox = Arc::clone(inbox);
            let probe = move |answer: &Arc<AtomicBool>| {
                let answer = Arc::clone(answer);
                inbox.push(Command::Probe(Box::new(move || answer.store(true, Ordering::Release))));
            };
            WatchedThread::new(worker_name(index), probe)
        };
        self.threads.iter().enumerate().map(watched).collect()
    }

    /// Wakes the workers for which handshakes are waiting.
    pub(crate) fn wake(&self) {
        self.threads.iter().for_each(|inbox| inbox.wake());
    }

    fn push<F>(&self, tcp: TcpStream, push: fn(&Inbox, Command), start: F)
    where
        F: FnOnce(Socket) -> SlotFuture + Send + 'static,
    {
        if let Some(inbox) = self.threads.iter().min_by_key(|inbox| inbox.connections()) {
            push(inbox, Command::Start(tcp, Box::new(start)));
        }
    }
}

fn worker_name(index: usize) -> String {
    format!("ws-worker-{index}")
}

impl Drop for Workers {
    fn drop(&mut self) {
        for inbox in &self.threads {
            inbox.push(Command::Stop);
        }
    }
}
