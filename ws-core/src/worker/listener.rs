//! The thread that accepts connections for the others.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use tokio::runtime::Handle;

use super::event_loop::ERROR_BACKOFF;

const LISTENER: Token = Token(0);
const STOP: Token = Token(1);

/// Connections that are accepted before the threads that have them are woken.
const ACCEPT_BATCH: usize = 32;

/// A listener with a thread of its own. The sockets of a runtime's listener are the runtime's; to take
/// them out of its hands would be two system calls more for each. Dropped, it has ended.
#[derive(Debug)]
pub(crate) struct ListenerThread {
    waker: mio::Waker,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ListenerThread {
    /// Calls `on_accept` with each connection, and `wake` after some of them, in the context of the current
    /// runtime.
    ///
    /// # Errors
    ///
    /// The system gives no more threads or file descriptors.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        mut on_accept: impl FnMut(TcpStream, SocketAddr) + Send + 'static,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let mut poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = mio::Waker::new(poll.registry(), STOP)?;
        let stopping = Arc::<AtomicBool>::default();
        let (stop_requested, runtime) = (Arc::clone(&stopping), Handle::current());
        let thread = std::thread::Builder::new().name("ws-listener".into()).spawn(move || {
            let _context = runtime.enter();
            let mut events = Events::with_capacity(2);
            while !stop_requested.load(Ordering::Acquire) {
                // Threads that are woken for each of them would take the core away from this one.
                let accept = |_| listener.accept().map(|(stream, addr)| on_accept(stream.into(), addr)).err();
                let end = (0..ACCEPT_BATCH).find_map(accept);
                wake();
                match end {
                    None => {}
                    Some(error) if error.kind() == ErrorKind::WouldBlock => {
                        // Whatever it says, the listener is asked.
                        let _ = poll.poll(&mut events, None);
                    }
                    Some(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        std::thread::sleep(ERROR_BACKOFF);
                    }
                }
            }
        })?;
        Ok(Self { waker, stopping, thread: Some(thread) })
    }
}

impl Drop for ListenerThread {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            return tracing::error!(%error, "cannot stop a listener");
        }
        // It has nothing to do that takes long.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
