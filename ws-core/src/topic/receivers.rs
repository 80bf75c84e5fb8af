//! The messages that the handlers of this process take from other processes, by name.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::error::BoxError;
use crate::panic::catch;
use crate::sync::lock;

/// The addresses of connections: each an `Addr` of some handler.
type Addrs = [Arc<dyn Any + Send + Sync>];

/// Function that decodes a message and passes it to those of the addresses that belong to one handler. It returns how many
/// mailboxes have taken it.
pub(crate) type Receive = dyn Fn(&Addrs, &[u8]) -> Result<usize, BoxError> + Send + Sync;

/// The receivers of messages, by the name of the message.
#[derive(Default)]
pub(super) struct Receivers(Mutex<HashMap<String, Vec<Receiver>>>);

/// The receiver of the messages of one name, for the connections of one handler.
#[derive(Clone)]
struct Receiver {
    handler: TypeId,
    receive: Arc<Receive>,
}

impl Receivers {
    /// Adds a receiver, which replaces the handler's previous one of this name.
    pub(super) fn add(&self, name: &str, handler: TypeId, receive: Arc<Receive>) {
        let mut names = lock(&self.0);
        let receivers = names.entry(name.to_owned()).or_default();
        let previous = receivers.iter().position(|receiver| receiver.handler == handler);
        let _previous = previous.map(|index| receivers.swap_remove(index));
        receivers.push(Receiver { handler, receive });
        // Dropping the previous one drops a codec, which is user code.
        drop(names);
    }

    /// Passes a message to connections. Returns how many mailboxes have taken it: none if it does not decode.
    pub(super) fn deliver(
        &self,
        name: &str,
        message: &[u8],
        addrs: impl FnOnce() -> Vec<Arc<dyn Any + Send + Sync>>,
    ) -> usize {
        let receivers = lock(&self.0).get(name).cloned().unwrap_or_default();
        if receivers.is_empty() {
            tracing::debug!(name, "a message that no handler of this process accepts was ignored");
            return 0;
        }
        let addrs = addrs();
        receivers.iter().map(|receiver| receiver.receive(name, message, &addrs)).sum()
    }
}

impl Receiver {
    fn receive(&self, name: &str, message: &[u8], addrs: &Addrs) -> usize {
        // Decoding, cloning and dropping run user code; so do formatting and dropping the error.
        let receive = || {
            let sent = (self.receive)(addrs, message).inspect_err(|error| {
                tracing::warn!(name, %error, "cannot decode a message to connections");
            });
            sent.unwrap_or(0)
        };
        catch(receive).unwrap_or_else(|_| {
            tracing::error!(name, "the receiver of a message to connections panicked");
            0
        })
    }
}
