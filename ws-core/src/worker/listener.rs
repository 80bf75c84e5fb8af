//! The thread that accepts connections for the others.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use tokio::runtime::Handle;

use super::thread::PAUSE;

const LISTENER: Token = Token(0);
const STOP: Token = Token(1);

/// Connections that are accepted before the threads that have them are woken.
const AT_A_TIME: usize = 32;

/// A listener with a thread of its own. The sockets of a runtime's listener are the runtime's; to take
/// them out of its hands would be two system calls more for each. Dropped, it has ended.
#[derive(Debug)]
pub(crate) struct Listener {
    waker: mio::Waker,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Calls `begin` with each connection, and `wake` after some of them, in the context of the current
    /// runtime.
    ///
    /// # Errors
    ///
    /// The system gives no more threads or file descriptors.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        mut begin: impl FnMut(TcpStream, SocketAddr) + Send + 'static,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let mut poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = mio::Waker::new(poll.registry(), STOP)?;
        let stops = Arc::<AtomicBool>::default();
        let (is_over, runtime) = (Arc::clone(&stops), Handle::current());
        let thread = std::thread::Builder::new().name("ws-listener".into()).spawn(move || {
            let _context = runtime.enter();
            let mut events = Events::with_capacity(2);
            while !is_over.load(Ordering::Acquire) {
                // Threads that are woken for each of them would take the core away from this one.
                let accept = |_| listener.accept().map(|(stream, addr)| begin(stream.into(), addr)).err();
                let end = (0..AT_A_TIME).find_map(accept);
                wake();
                match end {
                    None => {}
                    Some(error) if error.kind() == ErrorKind::WouldBlock => {
                        // Whatever it says, the listener is asked.
                        let _ = poll.poll(&mut events, None);
                    }
                    Some(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        std::thread::sleep(PAUSE);
                    }
                }
            }
        })?;
        Ok(Self { waker, stops, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            return tracing::error!(%error, "cannot stop a listener");
        }
        // It has nothing to do that takes long.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
