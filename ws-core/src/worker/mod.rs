//! Threads that run connections and nothing else.
//!
//! Each waits for its sockets and its inbox in one place, and polls the connection that an event is
//! about: there is no queue, no lock and no wake-up between the kernel and the connection. What the
//! methods of handlers need beside that, as timers and sockets of their own, is the runtime's
//! that has started the threads.

mod event_loop;
mod inbox;
mod listener;
mod poll;
mod socket;

use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;

use tokio::runtime::Handle;

use event_loop::EventLoop;
use inbox::{Command, Inbox, set_successor};
pub(crate) use listener::ListenerThread;
pub(crate) use socket::Socket;

use crate::close::CloseReason;

/// A connection, from open to the end of TCP.
pub(crate) type ConnectionFuture = Pin<Box<dyn Future<Output = CloseReason> + Send>>;

/// The threads of a server. Dropped, they end when their connections have.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Arc<Inbox>>);

impl Workers {
    /// Starts so many threads, in the context of the current runtime.
    ///
    /// # Errors
    ///
    /// The system gives no more threads or file descriptors.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let mut workers = Self(Vec::new());
        for index in 0..count {
            let (event_loop, inbox) = EventLoop::new()?;
            let runtime = Handle::current();
            std::thread::Builder::new().name(format!("ws-worker-{index}")).spawn(move || {
                let _context = runtime.enter();
                event_loop.run();
            })?;
            workers.0.push(inbox);
        }
        Ok(workers)
    }

    /// Runs a connection on the thread that has the fewest. That there are threads is what `start`
    /// has seen to.
    ///
    /// # Errors
    ///
    /// The socket cannot be taken from the runtime.
    pub(crate) fn spawn<F>(
        &self,
        tcp: tokio::net::TcpStream,
        run: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = CloseReason> + Send + 'static,
    {
        self.push(tcp.into_std()?, Inbox::push, |socket| Box::pin(run(socket)));
        Ok(())
    }

    /// The same of a socket that is nobody's. What runs first says what goes on with its socket, if
    /// something does: so that the connection has nothing of its handshake with it. It begins with the
    /// next [`wake`](Self::wake).
    pub(crate) fn spawn_handshake<F>(
        &self,
        tcp: TcpStream,
        handshake: impl FnOnce(Socket) -> F + Send + 'static,
    ) where
        F: Future<Output = Option<ConnectionFuture>> + Send + 'static,
    {
        self.push(tcp, Inbox::push_without_wake, |socket| {
            let handshake = handshake(socket);
            Box::pin(async move {
                set_successor(handshake.await);
                CloseReason::Shutdown
            })
        });
    }

    /// Wakes the threads for which something was left.
    pub(crate) fn wake(&self) {
        self.0.iter().for_each(|inbox| inbox.wake());
    }

    fn push<F>(&self, tcp: TcpStream, push: fn(&Inbox, Command), run: F)
    where
        F: FnOnce(Socket) -> ConnectionFuture + Send + 'static,
    {
        if let Some(inbox) = self.0.iter().min_by_key(|inbox| inbox.connections()) {
            push(inbox, Command::Run(tcp, Box::new(run)));
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for inbox in &self.0 {
            inbox.push(Command::Stop);
        }
    }
}
