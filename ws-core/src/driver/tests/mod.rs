//! Behaviour of a connection, over an in-memory stream and with paused time.

mod backpressure;
mod budget;
#[cfg(feature = "json")]
mod calls;
#[cfg(feature = "json")]
mod calls_random;
mod close_codes;
mod closing;
#[cfg(feature = "deflate")]
mod compression;
mod deadline_timer;
mod deferred;
mod discard;
mod drain;
mod errors;
mod fairness;
mod fast_path;
mod flow;
mod frames;
mod held_messages;
mod hixie;
mod io_failures;
#[cfg(feature = "json")]
mod json_rpc;
mod keepalive;
mod large_messages;
mod large_messages_random;
#[cfg(feature = "tungstenite")]
mod managed_transport;
#[cfg(feature = "json")]
mod named;
mod nested;
mod order;
mod parts;
mod peer;
mod published;
mod rates;
mod ready_methods;
mod send_parts;
#[cfg(feature = "session")]
mod sessions;
#[cfg(target_os = "linux")]
mod signals;
mod standstill;
mod starvation;
mod states;
mod task_size;
mod timers;

use tokio::io::{BufStream, DuplexStream};
use tokio::task::JoinHandle;

use crate::clock::now;
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::context::Context;
use crate::driver::run;
use crate::handler::Handler;
use crate::options::Options;
use crate::transport::Transport;
use crate::wire::Connection;

/// Whether the tests of this module run over a transport that implements the WebSocket protocol itself.
const MANAGED_TRANSPORT: bool = false;

/// Runs a handler at one end of an in-memory stream.
fn start<H: Handler>(
    handler: H,
    options: Options,
    io: DuplexStream,
    permit: Option<ConnectionPermit>,
) -> JoinHandle<CloseReason> {
    let cx = Context::new(Connection::new(options.into(), Vec::new(), now()), None, None);
    tokio::spawn(run(handler, cx, io, permit))
}

impl Transport for BufStream<DuplexStream> {}
