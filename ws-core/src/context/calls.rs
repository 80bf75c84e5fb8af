//! Calls to the client.
//!
//! PERF: the checks that run in every iteration are `#[inline(always)]`, and constants for handlers without an
//! envelope; budget: text64, info.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Context, Session};
use crate::envelope::{Call, CallError, Calls, PendingCall};
use crate::handler::{Enveloped, Handler};
use crate::mailbox::Mailbox;
use crate::reply::MessageProtocol;

impl<H: Handler> Context<H> {
    /// Calls the client, in the envelope of the handler. The future returns the client's answer.
    ///
    /// The call is sent at once, in order with [`send`](Self::send), whether the future is awaited or not. The future
    /// borrows nothing: an `async` method can await it, [`spawn`](Self::spawn) and [`Deferred`](crate::Deferred) can
    /// run it, and [`timeout`](PendingCall::timeout) limits its wait, which is 30 s by default. Answers are routed
    /// when they arrive, in any order, also while a method is pending: an answer never waits behind a method.
    ///
    /// At most `max_pending_calls` calls of a connection wait for an answer (1,024).
    ///
    /// # Errors
    ///
    /// The future returns a [`ClientCallError`](crate::ClientCallError): the client answered with an error or not in
    /// time, the connection ended, too many calls wait, or the parameters or the result do not fit their types. All
    /// pending calls fail as soon as the connection begins to close, because then nothing more is read.
    ///
    /// # Cancellation
    ///
    /// Dropping the future forgets the call. Its answer is dropped when it arrives.
    ///
    /// ```
    /// # use ws_core::{prelude::*, Call, ClientCallError, JsonRpc, test::TestClient};
    /// #[derive(Call, serde::Serialize)]
    /// #[call(returns = bool)]
    /// struct Confirm { order: u64 }
    ///
    /// # #[websocket(envelope = JsonRpc)] #[derive(Default)] struct Board;
    /// #[websocket]
    /// impl Board {
    ///     #[on_info]
    ///     async fn order(&mut self, order: u64, cx: &mut Context<Self>) -> Result<(), ClientCallError> {
    ///         let confirmed = cx.call(Confirm { order }).timeout(Duration::from_secs(5)).await?;
    ///         println!("order {order}: {confirmed}");
    ///         Ok(())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Board).await;
    /// client.info(7_u64).await;
    /// let call = r#"{"jsonrpc":"2.0","id":1,"method":"confirm","params":{"order":7}}"#;
    /// assert_eq!(client.text().await, call);
    /// client.send(r#"{"jsonrpc":"2.0","result":true,"id":1}"#).await;
    /// client.expect_nothing().await;
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a call is made once")]
    pub fn call<C: Call>(&mut self, call: C) -> PendingCall<C::Returns>
    where
        H: Enveloped,
    {
        let calls = Arc::clone(self.session().calls());
        PendingCall::start::<H::Envelope, C>(calls, &call, |_, _, frame| {
            self.session().wire.text_owned(frame.into());
        })
    }

    /// Returns the number of calls to the client that wait for their answers.
    ///
    /// ```
    /// # use ws_core::{prelude::*, Call, JsonRpc, test::TestClient};
    /// # #[derive(Call, serde::Serialize)] #[call(returns = ())] struct Refresh {}
    /// # #[websocket(envelope = JsonRpc)] #[derive(Default)] struct Page;
    /// #[websocket]
    /// impl Page {
    ///     #[every(1s)]
    ///     fn refresh(&mut self, cx: &mut Context<Self>) {
    ///         if cx.pending_calls() == 0 {
    ///             let call = cx.call(Refresh {});
    ///             tokio::spawn(call);
    ///         }
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Page).await;
    /// client.advance(Duration::from_secs(3)).await;
    /// assert_eq!(client.text().await, r#"{"jsonrpc":"2.0","id":1,"method":"refresh","params":{}}"#);
    /// client.expect_nothing().await; // The client has not answered.
    /// # }
    /// ```
    pub fn pending_calls(&mut self) -> usize {
        self.session().mailbox.as_ref().and_then(|mailbox| mailbox.existing_calls()).map_or(0, Calls::len)
    }
}

impl<H: Handler> Session<H> {
    /// Returns the calls to the client, creating the table if needed. A connection that closes takes no call.
    fn calls(&mut self) -> &Arc<Calls> {
        let is_closing = self.wire.close_reason().is_some();
        let calls = self.open_mailbox().calls();
        if is_closing {
            calls.close();
        }
        calls
    }

    /// Passes an answer of the client to its call. An answer to no call is counted and dropped.
    pub(crate) fn answer_call(&mut self, id: u64, answer: Result<&RawValue, CallError>) {
        self.calls().answer(id, answer);
    }

    /// Returns whether a call can be sent: one waits, and the outbox has room for its frame.
    #[inline(always)]
    pub(crate) fn has_unsent_calls(&self) -> bool {
        self.next_unsent_len().is_some_and(|len| self.wire.has_room_for(len))
    }

    /// Returns whether a call waits, also without room for it.
    #[inline(always)]
    pub(crate) fn has_waiting_calls(&self) -> bool {
        self.next_unsent_len().is_some()
    }

    #[inline(always)]
    fn next_unsent_len(&self) -> Option<usize> {
        if !has_envelope::<H>() {
            return None;
        }
        self.mailbox.as_ref()?.existing_calls()?.next_unsent_len()
    }

    /// Sends the calls that wait and have room, unless a message in parts is not finished. The others follow when the
    /// client has read more.
    // PERF: a constant for handlers without an envelope. budget: info
    #[inline(always)]
    pub(crate) fn send_calls(&mut self) {
        if self.has_unsent_calls() && !self.wire.has_unfinished_message() {
            self.send_unsent_calls();
        }
    }

    #[inline(never)]
    fn send_unsent_calls(&mut self) {
        while self.has_unsent_calls() {
            let calls = self.mailbox.as_ref().and_then(|mailbox| mailbox.existing_calls());
            let Some(frame) = calls.and_then(Calls::next_unsent) else { return };
            self.wire.text_owned(frame.into());
        }
    }

    /// Fails the calls of a connection that closes.
    #[inline(always)]
    pub(crate) fn close_calls(&self) {
        if has_envelope::<H>()
            && let Some(calls) = self.mailbox.as_ref().and_then(|mailbox| mailbox.existing_calls())
        {
            calls.close();
        }
    }
}

/// Returns whether the messages of a handler are in an envelope. A constant.
#[inline(always)]
pub(crate) const fn has_envelope<H: Handler>() -> bool {
    <H::Protocol as MessageProtocol>::HAS_ENVELOPE
}

/// Routes a text if it is an answer, and returns whether it was. Before the first call of a connection no text is.
// PERF: a constant for handlers without an envelope, and one check before the first call. budget: text64
#[inline(always)]
pub(crate) fn route_answer<H: Handler>(mailbox: Option<&Arc<Mailbox<H::Info>>>, text: &str) -> bool {
    has_envelope::<H>()
        && mailbox
            .and_then(|mailbox| mailbox.existing_calls())
            .is_some_and(|calls| read_answers::<H>(calls, text))
}

#[inline(never)]
fn read_answers<H: Handler>(calls: &Calls, text: &str) -> bool {
    H::Protocol::read_answers(text, &mut |id, answer| _ = calls.answer(id, answer))
}
