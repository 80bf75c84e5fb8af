//! The measured servers, a file each, every one on a single core.
//!
//! The code of a peer follows its README or first example and differs only where a workload requires it. A
//! server process runs a single [`Mode`], so that no connection carries the state of another mode.

pub(crate) mod ws_core;
pub(crate) mod ws_core_async;
pub(crate) mod ws_core_full;
#[cfg(feature = "peers")]
mod ws_core_json;
mod ws_core_rpc;
mod ws_core_stream;
#[cfg(feature = "peers")]
mod ws_core_tls;

#[cfg(feature = "peers")]
mod actix;
#[cfg(feature = "peers")]
mod axum;
#[cfg(feature = "peers")]
mod ezsockets;
#[cfg(feature = "peers")]
mod fastwebsockets;
#[cfg(feature = "peers")]
mod jsonrpsee;
mod list;
mod mode;
#[cfg(feature = "peers")]
mod order;
#[cfg(feature = "peers")]
mod sockudo;
#[cfg(feature = "peers")]
mod tls;
#[cfg(feature = "peers")]
mod tokio_websockets;
#[cfg(feature = "peers")]
mod tungstenite;
mod uwebsockets;
#[cfg(feature = "peers")]
mod yawc;

use std::time::Duration;

pub(crate) use list::{PRODUCERS, SERVERS};
pub(crate) use mode::{MODES, Mode};

/// Period of the timer in [`Mode::Timer`], short enough for a measurable load.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Capacity of the channel or mailbox of a connection in [`Mode::Info`]: the default of this project, for
/// peers too.
#[cfg(feature = "peers")]
const MAILBOX: usize = 1024;

/// A row of the tables.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) modes: &'static [Mode],
    run: fn(Mode, &str) -> std::io::Result<()>,
}

impl Server {
    pub(crate) fn can(&self, mode: Mode) -> bool {
        self.modes.contains(&mode)
    }

    /// Returns whether the server can run here. All but uWebSockets are part of this program. A program with the
    /// feature `metrics` has only rows with metrics of this project.
    pub(crate) fn is_here(&self) -> bool {
        if self.is_own() {
            return has_metrics(self.name) == cfg!(feature = "metrics");
        }
        !self.name.starts_with("uWebSockets") || uwebsockets::is_built()
    }

    pub(crate) fn is_own(&self) -> bool {
        self.name.starts_with("ws-core")
    }

    /// Returns the name of the server on the command line.
    pub(crate) fn key(&self) -> String {
        let words = self.name.split([',', ' ', '(', ')', '<', '>']).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("-")
    }

    /// Serves until the process is killed.
    pub(crate) fn run(&self, mode: Mode, addr: &str) -> std::io::Result<()> {
        (self.run)(mode, addr)
    }
}

/// Returns whether the name or the key of a server is that of a row with metrics.
pub(crate) fn has_metrics(name: &str) -> bool {
    name.ends_with("metrics")
}

/// Runs a server as `#[tokio::main]` does: on a runtime with a thread for each core that the process may use.
fn by_default<F: Future>(server: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(server)
}

/// Runs a server on a current-thread runtime.
fn block_on<F: Future>(server: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(server)
}

/// Returns a listener whose sockets have `TCP_NODELAY`, like those of this project; Linux sockets inherit the
/// option. Without it, a server's second write would wait for the client's delayed ACK, and the pipelined
/// workload would measure those 40 ms.
#[cfg(feature = "peers")]
async fn listen(addr: &str) -> std::io::Result<tokio::net::TcpListener> {
    let listener = tokio::net::TcpListener::bind(addr).await?;
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
    Ok(listener)
}

/// Sends the requested number of messages from outside of the connection in [`Mode::Info`]. The last one is 0.
#[cfg(feature = "peers")]
fn burst(count: &str, to: &tokio::sync::mpsc::Sender<u32>) {
    let (count, to) = (count.parse().unwrap_or(0), to.clone());
    tokio::spawn(async move {
        for left in (0..count).rev() {
            if to.send(left).await.is_err() {
                return;
            }
        }
    });
}
