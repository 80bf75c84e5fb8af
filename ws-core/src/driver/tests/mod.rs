//! Behaviour of a connection, over an in-memory stream and with paused time.
//!
//! Modules of this folder run the same tests over other transports. These are the tests that they leave out:
//!
//! | tests | not over | because |
//! |---|---|---|
//! | with control frames, cut or malformed frames | events, polls ([`ONLY_MESSAGES`]) | a POST has whole messages |
//! | of the client's answer to a close frame | events, polls | the server's end of a response answers |
//! | of `idle_timeout`, `pong_timeout` | sessions ([`HAS_SESSION`]) | a silent client is detached: `sessions/ends` |
//! | of how many bytes fit into the streams | sessions | the buffer of the session takes more: `sessions/ends` |
//! | of half-closed streams | sessions | a session waits for its client's next connection |
//! | that a client's end is noticed at once | polls | the next poll may still come |
//! | `backpressure`, `budget`, `drain`, `fairness`, `held_messages`, `send_parts` | sessions | a stream that is full |
//! | `keepalive` | sessions | `sessions/ends`, `tests/http_transports` |
//! | `parts` | sessions | `session` beside `#[on_part]` is a compile error |
//! | `compression`, `frames`, `hixie`, `io_failures` | sessions | the bytes on the socket |

mod backpressure;
mod budget;
#[cfg(feature = "json")]
mod calls;
#[cfg(feature = "json")]
mod calls_random;
mod churn;
mod close_codes;
mod closing;
#[cfg(feature = "deflate")]
mod compression;
mod deadline_timer;
mod deferred;
mod discard;
mod drain;
mod echo_io;
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
#[cfg(feature = "session")]
mod over_carriers;
mod parts;
mod peer;
mod published;
mod rates;
mod ready_methods;
mod requests;
mod send_parts;
#[cfg(feature = "session")]
mod session_client;
#[cfg(feature = "session")]
mod sessions;
#[cfg(target_os = "linux")]
mod signals;
mod spread;
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
use crate::transport::{RuntimeTimer, Transport};
use crate::wire::Connection;

/// Whether the tests of this module run over a transport that implements the WebSocket protocol itself.
const MANAGED_TRANSPORT: bool = false;

/// Whether the tests of this module run with a session.
const HAS_SESSION: bool = false;

/// Whether the transport of this module passes on messages, and no frames.
const ONLY_MESSAGES: bool = false;

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

impl Transport for BufStream<DuplexStream> {
    type Timer = RuntimeTimer;
}
