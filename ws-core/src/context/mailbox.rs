//! The mailbox of a connection, which the first address creates.

use std::sync::Arc;

use super::Session;
use crate::handler::Handler;
use crate::mailbox::Mailbox;
use crate::topic::new_connection_id;

impl<H: Handler> Session<H> {
    /// Returns the mailbox, creating it if needed. A connection that closes has a closed one.
    pub(crate) fn open_mailbox(&mut self) -> &Arc<Mailbox<H::Info>> {
        self.mailbox.get_or_insert_with(|| {
            let subscriptions = self.subscriptions.as_ref();
            let id = subscriptions.map_or_else(new_connection_id, |subscriptions| subscriptions.queue.id());
            let mailbox = Mailbox::new(self.wire.options(), self.waker.clone(), id);
            if self.wire.close_reason().is_some() {
                mailbox.close();
            }
            Arc::new(mailbox)
        })
    }
}
