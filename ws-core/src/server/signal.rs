//! The signal at which a server stops.

use std::future::Future;
use std::io;

/// Exit code of a process that a second signal ends: 128 plus the number of SIGTERM, as shells report it.
const EXIT_CODE: i32 = 128 + 15;

/// Returns a future that is ready when the process has to stop: at SIGTERM, or at Ctrl-C (SIGINT). Feature `signal`.
///
/// It is an argument of [`Router::serve_with_shutdown`](crate::Router::serve_with_shutdown). A second signal, during
/// the shutdown, ends the process at once with the exit code 143. Outside of Unix only Ctrl-C counts.
///
/// Signals are caught from the call on, and no longer end the process by themselves, also if the future is dropped.
/// Call the function once.
///
/// # Errors
///
/// The system refuses to register the signals.
///
/// # Panics
///
/// Outside of a tokio runtime whose I/O driver is enabled.
///
/// ```no_run
/// # use ws_core::prelude::*;
/// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
/// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
/// #[tokio::main]
/// async fn main() -> Result<(), ws_core::BoxError> {
///     let stop = ws_core::shutdown_signal()?;
///     Router::new().mount::<Echo>().serve_with_shutdown("127.0.0.1:8080", stop).await?;
///     Ok(())
/// }
/// ```
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut signals = Signals::new()?;
    Ok(async move {
        signals.next().await;
        tracing::info!("received a signal to stop; a second one ends the process at once");
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("received a second signal to stop");
            std::process::exit(EXIT_CODE);
        });
    })
}

/// The signals to stop.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        std::future::poll_fn(|task| {
            let is_received =
                self.terminate.poll_recv(task).is_ready() | self.interrupt.poll_recv(task).is_ready();
            if is_received { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) {
        if self.interrupt.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(any(unix, windows)))]
impl Signals {
    #[expect(clippy::unnecessary_wraps)] // As on other systems.
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        // Without a handler for Ctrl-C, the system ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    /// Waits for the signal, and then for ever, like a server with a client that is stuck.
    #[tokio::test]
    #[ignore = "the process of the other test"]
    async fn stopping_process() {
        let stop = shutdown_signal().unwrap();
        println!("READY.");
        stop.await;
        println!("STOPPING.");
        std::future::pending::<()>().await;
    }

    #[test]
    fn second_signal_ends_the_process() {
        for signals in [["-TERM", "-INT"], ["-INT", "-TERM"], ["-TERM", "-TERM"]] {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["server::signal::tests::stopping_process", "--exact", "--ignored", "--nocapture"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            for (wait_for, signal) in ["READY.", "STOPPING."].into_iter().zip(signals) {
                assert!(
                    lines.any(|line| line.unwrap().ends_with(wait_for)),
                    "{signals:?}: ended before {wait_for}"
                );
                let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
                assert!(kill.unwrap().success());
            }
            assert_eq!(child.wait().unwrap().code(), Some(EXIT_CODE), "{signals:?}");
        }
    }
}
