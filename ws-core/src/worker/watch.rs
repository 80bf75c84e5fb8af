//! A watch over threads, which notices one that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

/// How often the threads are probed, and how long each may take to answer.
const INTERVAL: Duration = Duration::from_secs(5);

/// A function that wakes a thread, which then sets the flag.
type ThreadProbe = Box<dyn Fn(&Arc<AtomicBool>) + Send>;

/// A thread under watch.
pub(crate) struct WatchedThread {
    name: String,
    probe: ThreadProbe,
    has_answered: Arc<AtomicBool>,
    probed_at: Instant,
    is_reported: bool,
}

/// A change of the state of a thread.
#[derive(Debug, PartialEq, Eq)]
enum Report {
    Hangs,
    RunsAgain,
}

impl WatchedThread {
    pub(super) fn new(name: String, probe: impl Fn(&Arc<AtomicBool>) + Send + 'static) -> Self {
        let has_answered = Arc::new(AtomicBool::new(true));
        Self { name, probe: Box::new(probe), has_answered, probed_at: Instant::now(), is_reported: false }
    }

    /// Checks the answer to the last probe, and sends the next one after an answer. Reports a hang once. Returns the
    /// time since the last probe with the report.
    fn check(&mut self) -> Option<(Report, Duration)> {
        let elapsed = self.probed_at.elapsed();
        if self.has_answered.swap(false, Ordering::AcqRel) {
            self.probed_at = Instant::now();
            (self.probe)(&self.has_answered);
            return std::mem::take(&mut self.is_reported).then_some((Report::RunsAgain, elapsed));
        }
        (!std::mem::replace(&mut self.is_reported, true)).then_some((Report::Hangs, elapsed))
    }
}

/// A running watch. Dropping it ends the watch.
pub(crate) struct ThreadWatch(AbortHandle);

impl ThreadWatch {
    /// Starts to watch threads, in a task of the current runtime.
    pub(crate) fn start(threads: Vec<WatchedThread>) -> Self {
        Self(tokio::spawn(run(threads)).abort_handle())
    }
}

impl Drop for ThreadWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(mut threads: Vec<WatchedThread>) {
    while !threads.is_empty() {
        let start = Instant::now();
        tokio::time::sleep(INTERVAL).await;
        let elapsed = start.elapsed();
        if elapsed < INTERVAL / 2 {
            // The clock of the runtime is that of a test, the threads are real.
            return;
        }
        if elapsed > 2 * INTERVAL {
            // The whole process stood still.
            continue;
        }
        for thread in &mut threads {
            match thread.check() {
                Some((Report::Hangs, elapsed)) => tracing::warn!(
                    thread = thread.name,
                    ?elapsed,
                    "a thread of connections hangs: a method blocks it, or the system gives it no time"
                ),
                Some((Report::RunsAgain, elapsed)) => {
                    tracing::info!(thread = thread.name, ?elapsed, "a thread of connections runs again");
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::{Finished, ListenerThread, WorkerKinds, Workers};
    use super::*;

    /// Checks a thread until there is a report.
    fn next_report(thread: &mut WatchedThread) -> Report {
        loop {
            match thread.check() {
                Some((report, _)) => return report,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Waits until a thread has answered its probe.
    fn wait_for_answer(thread: &WatchedThread) {
        while !thread.has_answered.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Checks that a thread which runs has no report, and that one which is blocked has one.
    fn check_reports(thread: &mut WatchedThread, release: &mpsc::Sender<()>, block: impl FnOnce()) {
        for _ in 0..3 {
            wait_for_answer(thread);
            assert_eq!(thread.check(), None);
        }
        wait_for_answer(thread);
        block();
        assert_eq!(next_report(thread), Report::Hangs);
        for _ in 0..3 {
            assert_eq!(thread.check(), None, "the report is repeated");
        }
        release.send(()).unwrap();
        assert_eq!(next_report(thread), Report::RunsAgain);
    }

    #[tokio::test]
    async fn worker_that_hangs_is_reported_once() {
        let workers = Workers::start(1, WorkerKinds::All).unwrap();
        let mut threads = workers.watched();
        assert_eq!((threads.len(), threads[0].name.as_str()), (1, "ws-worker-0"));
        let (release, released) = mpsc::channel();
        check_reports(&mut threads[0], &release, || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let tcp = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            workers.spawn_handshake(tcp, move |_| async move {
                released.recv().unwrap();
                Finished::Closed
            });
            workers.wake();
        });
    }

    #[tokio::test]
    async fn listener_that_hangs_is_reported_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (release, released) = mpsc::channel();
        let on_accept = move |_, _| released.recv().unwrap();
        let listener = ListenerThread::start(listener, 0, on_accept, || ()).unwrap();
        let mut thread = listener.watched();
        assert_eq!(thread.name, format!("ws-listener of {addr}"));
        check_reports(&mut thread, &release, || _ = std::net::TcpStream::connect(addr).unwrap());
    }
}
