//! The promises of the connection, one by one, over a buffer in memory and on a clock that jumps.

#[cfg(feature = "tungstenite")]
mod assisted;
mod budget;
mod clock;
mod closing;
#[cfg(feature = "deflate")]
mod compression;
mod errors;
mod fairness;
mod faults;
mod flow;
mod frames;
mod hixie;
mod large;
mod large_random;
mod life;
mod nested;
mod order;
mod peer;
mod pressure;
mod published;
mod rates;
mod ready;
mod sizes;
mod timers;

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use crate::close::CloseReason;
use crate::context::Context;
use crate::driver::{Ticket, now, run};
use crate::handler::Handler;
use crate::options::Options;
use crate::wire::Connection;

/// Whether these are the promises over a transport that speaks WebSocket itself.
const ASSISTED: bool = false;

/// Runs a handler at one end of a buffer.
fn start<H: Handler>(
    handler: H,
    options: Options,
    io: DuplexStream,
    ticket: Option<Ticket>,
) -> JoinHandle<CloseReason> {
    let cx = Context::new(Connection::new(options.into(), Vec::new(), now()), None, None);
    tokio::spawn(run(handler, cx, io, ticket))
}
