//! The tests of the parent module over a WebSocket with a session.

// The tests are compiled for each transport on purpose.
#![allow(clippy::duplicate_mod)]

#[path = "../closing.rs"]
mod closing;
#[path = "../deferred.rs"]
mod deferred;
#[path = "../errors.rs"]
mod errors;
#[path = "../flow.rs"]
mod flow;
#[path = "../nested.rs"]
mod nested;
#[path = "../order.rs"]
mod order;
#[path = "../peer.rs"]
mod peer;
#[path = "../rates.rs"]
mod rates;
#[path = "../ready_methods.rs"]
mod ready_methods;
#[path = "../timers.rs"]
mod timers;

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use super::session_client::{self, Carrier};
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::handler::Handler;
use crate::options::Options;

const MANAGED_TRANSPORT: bool = false;
const HAS_SESSION: bool = true;
const ONLY_MESSAGES: bool = false;

/// Runs a handler at one end of an in-memory stream, over a WebSocket with a session.
fn start<H: Handler>(
    handler: H,
    options: Options,
    io: DuplexStream,
    permit: Option<ConnectionPermit>,
) -> JoinHandle<CloseReason> {
    session_client::start(Carrier::WebSocket, handler, options, io, permit)
}
