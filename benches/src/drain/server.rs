//! A node: an echo with sessions, which drains when its standard input ends.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ws_core::prelude::*;
use ws_core::{BoxError, Drain};

/// Messages that were handled.
static HANDLED: AtomicU64 = AtomicU64::new(0);

#[websocket(path = "/echo", session)]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        HANDLED.fetch_add(1, Ordering::Relaxed);
        text
    }
}

/// Serves until the parent closes the pipe, and prints the number of messages that were handled.
pub(super) fn run(port: u16, spread: Duration) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        thread::spawn(move || {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            drop(stop);
        });
        let router = Router::new().mount::<Echo>().drain(Drain::spread(spread));
        router.serve_with_shutdown(format!("127.0.0.1:{port}"), async { _ = stopped.await }).await
    })?;
    println!("{}", HANDLED.load(Ordering::Relaxed));
    Ok(())
}
