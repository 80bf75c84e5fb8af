//! The tests of the parent module over a `WebSocketStream` of tungstenite.

// The tests are compiled twice on purpose.
#![allow(clippy::duplicate_mod)]

#[path = "../backpressure.rs"]
mod backpressure;
#[path = "../budget.rs"]
mod budget;
#[path = "../closing.rs"]
mod closing;
#[path = "../drain.rs"]
mod drain;
#[path = "../errors.rs"]
mod errors;
#[path = "../fairness.rs"]
mod fairness;
#[path = "../flow.rs"]
mod flow;
#[path = "../held_messages.rs"]
mod held_messages;
#[path = "../io_failures.rs"]
mod io_failures;
#[path = "../keepalive.rs"]
mod keepalive;
#[path = "../order.rs"]
mod order;
#[path = "../parts.rs"]
mod parts;
#[path = "../peer.rs"]
mod peer;
#[path = "../rates.rs"]
mod rates;
#[path = "../send_parts.rs"]
mod send_parts;
#[path = "../timers.rs"]
mod timers;

use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tungstenite::protocol::Role;

use crate::clock::now;
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::context::Context;
use crate::driver::run;
use crate::handler::Handler;
use crate::options::Options;
use crate::transport::tungstenite::TungsteniteTransport;
use crate::wire::{Connection, PeerActivity, ReadsWhileWriting};

const MANAGED_TRANSPORT: bool = true;
const HAS_SESSION: bool = false;
const ONLY_MESSAGES: bool = false;

/// Runs a handler at one end of an in-memory stream, over a `WebSocketStream`.
fn start<H: Handler>(
    handler: H,
    options: Options,
    io: DuplexStream,
    permit: Option<ConnectionPermit>,
) -> JoinHandle<CloseReason> {
    let activity = Arc::<PeerActivity>::default();
    let wire = Connection::over_managed_transport(
        options.into(),
        Arc::clone(&activity),
        ReadsWhileWriting::No,
        now(),
    );
    let cx = Context::new(wire, None, None);
    tokio::spawn(async move {
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        run(handler, cx, TungsteniteTransport::new(stream, activity), permit).await
    })
}
