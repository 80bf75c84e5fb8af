//! Calls to clients from anywhere in the program.

use std::sync::Arc;

#[cfg(feature = "client")]
use serde::Serialize;

use super::Addr;
use crate::envelope::{Call, PendingCall};
#[cfg(feature = "client")]
use crate::envelope::{ClientCallError, Envelope};
use crate::handler::{Enveloped, Handler};

impl<H: Handler> Addr<H> {
    /// Calls the client of this connection, in the envelope of its handler, from anywhere in the program: another
    /// connection, or a request of another service. The future returns the client's answer.
    ///
    /// Like [`Context::call`](crate::Context::call), but the frame is sent by the connection's task, before the
    /// messages in its mailbox are handled. Calls need no room in the mailbox. Above `outbox_high_water`, calls wait
    /// until the client has read. While an `async` method of the
    /// handler is pending, the call is sent and its answer routed all the same.
    ///
    /// # Errors
    ///
    /// The future returns the errors of [`Context::call`](crate::Context::call). After the end of the connection that
    /// is [`ClientCallError::Closed`](crate::ClientCallError::Closed).
    ///
    /// # Cancellation
    ///
    /// Dropping the future forgets the call. A call that is not sent yet is not sent.
    ///
    /// ```
    /// # use ws_core::{prelude::*, Call, ClientCallError, JsonRpc, test::TestClient};
    /// #[derive(Call, serde::Serialize)]
    /// #[call("remote.start", returns = String)]
    /// struct RemoteStart { connector: u32 }
    ///
    /// # #[websocket(envelope = JsonRpc)] #[derive(Default)] struct Station;
    /// # #[websocket] impl Station { #[on_open] fn open(&mut self) {} }
    /// /// Answers a request of the operator's page.
    /// async fn remote_start(station: Addr<Station>) -> (StatusCode, String) {
    ///     match station.call(RemoteStart { connector: 1 }).await {
    ///         Ok(status) => (StatusCode::OK, status),
    ///         Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let mut client = TestClient::open(Station).await;
    /// # let answer = tokio::spawn(remote_start(client.addr()));
    /// # client.advance(Duration::from_secs(1)).await;
    /// # client.send(r#"{"jsonrpc":"2.0","result":"accepted","id":1}"#).await;
    /// # assert_eq!(answer.await.unwrap(), (StatusCode::OK, "accepted".to_owned()));
    /// # client.abort().await;
    /// # assert!(matches!(client.addr().call(RemoteStart { connector: 1 }).await, Err(ClientCallError::Closed)));
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a call is made once")]
    pub fn call<C: Call>(&self, call: C) -> PendingCall<C::Returns>
    where
        H: Enveloped,
    {
        let calls = Arc::clone(self.0.calls());
        PendingCall::start::<H::Envelope, C>(calls, &call, |calls, id, frame| {
            calls.queue(id, frame);
            self.0.wake();
        })
    }

    /// Like [`call`](Self::call), but with a name and parameters in place of a type.
    #[cfg(feature = "client")]
    pub(crate) fn call_named<R>(&self, name: &str, params: &impl Serialize) -> PendingCall<R>
    where
        H: Enveloped,
    {
        let calls = Arc::clone(self.0.calls());
        PendingCall::start_named::<H::Envelope, _>(calls, name, params, |calls, id, frame| {
            calls.queue(id, frame);
            self.0.wake();
        })
    }

    /// Sends a message in the envelope, in order with calls.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection has ended, or if as many frames wait as `max_pending_calls` allows.
    #[cfg(feature = "client")]
    pub(crate) fn send_named(&self, name: &str, params: &impl Serialize) -> Result<(), ClientCallError>
    where
        H: Enveloped,
    {
        let mut frame = Vec::new();
        H::Envelope::write_message(name, params, &mut frame)
            .map_err(|error| ClientCallError::Encode(error.into()))?;
        self.0.calls().queue_message(frame)?;
        self.0.wake();
        Ok(())
    }
}
