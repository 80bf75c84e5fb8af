//! The thread that accepts connections for the workers.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use tokio::runtime::Handle;

use super::event_loop::ERROR_BACKOFF;
use super::watch::WatchedThread;
use crate::sync::lock;

const LISTENER: Token = Token(0);
const WAKE: Token = Token(1);

const NAME: &str = "ws-listener";

/// The number of connections that are accepted before the workers are woken.
const ACCEPT_BATCH: usize = 32;

/// A listening socket with a thread of its own. Dropping it ends the thread.
///
/// A runtime registers each socket that its own listener accepts. Deregistering those would cost two more
/// system calls for each connection.
#[derive(Debug)]
pub(crate) struct ListenerThread {
    addr: Option<SocketAddr>,
    waker: Arc<mio::Waker>,
    stopping: Arc<AtomicBool>,
    /// The answer to the probe of a watch, if there is one.
    probe: Arc<Mutex<Option<Arc<AtomicBool>>>>,
    thread: Option<JoinHandle<()>>,
}

impl ListenerThread {
    /// Starts the thread, inside the context of the current runtime. The thread calls `on_accept` with
    /// each connection, and `wake` after each batch. At its end, the thread accepts up to `max_drained` connections
    /// that wait in the queue.
    ///
    /// # Errors
    ///
    /// The system has no more threads or file descriptors.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        max_drained: usize,
        mut on_accept: impl FnMut(TcpStream, SocketAddr) + Send + 'static,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let addr = listener.local_addr().ok();
        let mut poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKE)?);
        let stopping = Arc::<AtomicBool>::default();
        let probe = Arc::<Mutex<_>>::default();
        let (stop_requested, runtime) = (Arc::clone(&stopping), Handle::current());
        let probed: Arc<Mutex<Option<Arc<AtomicBool>>>> = Arc::clone(&probe);
        let thread = std::thread::Builder::new().name(NAME.into()).spawn(move || {
            let _context = runtime.enter();
            let mut events = Events::with_capacity(2);
            let mut accept = || listener.accept().map(|(stream, addr)| on_accept(stream.into(), addr));
            while !stop_requested.load(Ordering::Acquire) {
                // Workers that were woken for each connection would take this thread's core away.
                let error = (0..ACCEPT_BATCH).find_map(|_| accept().err());
                wake();
                if let Some(answer) = lock(&probed).take() {
                    answer.store(true, Ordering::Release);
                }
                match error {
                    None => {}
                    Some(error) if error.kind() == ErrorKind::WouldBlock => {
                        // The events are not needed: the loop tries to accept in any case.
                        let _ = poll.poll(&mut events, None);
                    }
                    Some(error) if is_connection_error(&error) => {
                        tracing::debug!(%error, "a connection ended before it was accepted");
                    }
                    Some(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        std::thread::sleep(ERROR_BACKOFF);
                    }
                }
            }
            drain(max_drained, accept);
            wake();
        })?;
        Ok(Self { addr, waker, stopping, probe, thread: Some(thread) })
    }

    /// Returns the thread for a watch.
    pub(crate) fn watched(&self) -> WatchedThread {
        let (waker, probe) = (Arc::clone(&self.waker), Arc::clone(&self.probe));
        let name = self.addr.map_or(NAME.to_owned(), |addr| format!("{NAME} of {addr}"));
        WatchedThread::new(name, move |answer| {
            *lock(&probe) = Some(Arc::clone(answer));
            let _ = waker.wake();
        })
    }
}

/// Accepts the connections that wait in the queue of a listener, up to `max`.
pub(crate) fn drain(max: usize, mut accept: impl FnMut() -> io::Result<()>) {
    for _ in 0..max {
        match accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if !is_connection_error(&error) => {
                return tracing::warn!(%error, "cannot accept the last connections");
            }
            _ => {}
        }
    }
}

/// Returns whether an error of `accept` is that of one connection, so that the next one can be accepted at once.
/// Other errors, for example for want of file descriptors, return until something changes.
pub(crate) fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::Interrupted
    )
}

impl Drop for ListenerThread {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            return tracing::error!(%error, "cannot stop a listener");
        }
        // The join does not block for long: the thread runs no code of users.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_connection_are_not_those_of_the_system() {
        // ECONNABORTED, ECONNRESET, ENETDOWN, ENETUNREACH, EHOSTUNREACH and EINTR of `accept(2)`.
        for code in [103, 104, 100, 101, 113, 4] {
            assert!(is_connection_error(&io::Error::from_raw_os_error(code)), "{code}");
        }
        // EMFILE, ENFILE, ENOBUFS, ENOMEM, EINVAL and EBADF.
        for code in [24, 23, 105, 12, 22, 9] {
            assert!(!is_connection_error(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }
}
