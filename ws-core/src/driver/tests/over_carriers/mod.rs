//! The tests of the parent module over each carrier of sessions.

// The tests are compiled for each transport on purpose.
#![allow(clippy::duplicate_mod)]

use super::session_client;

/// Declares a module that runs the tests over a carrier. `ONLY_MESSAGES`: whether the carrier has messages only, no
/// frames.
macro_rules! over {
    ($name:ident, $carrier:ident, ONLY_MESSAGES = $only_messages:literal) => {
        #[path = "."]
        mod $name {
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
            const ONLY_MESSAGES: bool = $only_messages;

            /// Runs a handler at one end of an in-memory stream, over the carrier.
            fn start<H: Handler>(
                handler: H,
                options: Options,
                io: DuplexStream,
                permit: Option<ConnectionPermit>,
            ) -> JoinHandle<CloseReason> {
                session_client::start(Carrier::$carrier, handler, options, io, permit)
            }
        }
    };
}

over!(sessions, WebSocket, ONLY_MESSAGES = false);
over!(events, Events, ONLY_MESSAGES = true);
over!(polls, Polls, ONLY_MESSAGES = true);
