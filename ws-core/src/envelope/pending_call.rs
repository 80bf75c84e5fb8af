//! The future of a call to a client.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::calls::{Calls, ClientAnswer};
use super::client_call_error::ClientCallError;
use super::{Call, Envelope};
use crate::error::DecodeError;

/// How long a call waits for its answer by default.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The future of a call to a client, and of the client's answer of type `R`.
///
/// [`Context::call`](crate::Context::call) and [`Addr::call`](crate::Addr::call) return one. The call is on its way
/// already; the future waits for the answer, at most 30 seconds from the call, or as long as
/// [`timeout`](Self::timeout) says. It has to be polled inside of a tokio runtime.
///
/// Dropping the future cancels the wait: the call is forgotten, and its answer is dropped. A client that has received
/// the call is not informed.
///
/// ```
/// # use ws_core::{prelude::*, Call, JsonRpc, PendingCall, test::TestClient};
/// #[derive(Call, serde::Serialize)]
/// #[call(returns = u64)]
/// struct FreeMemory {}
///
/// # #[websocket(envelope = JsonRpc)] #[derive(Default)] struct Agent;
/// # #[websocket] impl Agent { #[on_open] fn open(&mut self) {} }
/// /// Asks all agents at once. Agents that do not answer are left out.
/// async fn free_memory(agents: &[Addr<Agent>]) -> u64 {
///     let calls: Vec<PendingCall<u64>> = agents.iter().map(|agent| agent.call(FreeMemory {})).collect();
///     let mut sum = 0;
///     for call in calls {
///         sum += call.timeout(Duration::from_secs(2)).await.unwrap_or(0);
///     }
///     sum
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let mut client = TestClient::open(Agent).await;
/// # let agents = [client.addr()];
/// # let sum = tokio::spawn(async move { free_memory(&agents).await });
/// # client.advance(Duration::from_secs(1)).await;
/// # client.send(r#"{"jsonrpc":"2.0","result":7,"id":1}"#).await;
/// # assert_eq!(sum.await.unwrap(), 7);
/// # }
/// ```
#[must_use = "the client's answer is lost, and the call cancelled, unless the future is awaited"]
pub struct PendingCall<R> {
    state: CallState,
    called_at: Instant,
    timeout: Duration,
    /// Created by the first poll that has to wait.
    sleep: Option<Pin<Box<Sleep>>>,
    returns: PhantomData<fn() -> R>,
}

enum CallState {
    Waiting(CallEntry, oneshot::Receiver<ClientAnswer>),
    /// The error of a call that was not sent; `None` after the future has ended.
    Ended(Option<ClientCallError>),
}

/// A call in the table, which is removed when the value is dropped.
struct CallEntry {
    calls: Arc<Calls>,
    id: u64,
}

impl Drop for CallEntry {
    fn drop(&mut self) {
        self.calls.forget(self.id);
    }
}

impl<R> PendingCall<R> {
    /// Starts a call: `send` gets the table, the id of the call and its frame.
    pub(crate) fn start<E, C>(calls: Arc<Calls>, call: &C, send: impl FnOnce(&Calls, u64, Vec<u8>)) -> Self
    where
        E: Envelope,
        C: Call<Returns = R>,
    {
        Self::start_named::<E, C>(calls, C::NAME, call, send)
    }

    /// Like [`start`](Self::start), but with a name and parameters in place of a type.
    pub(crate) fn start_named<E, P>(
        calls: Arc<Calls>,
        name: &str,
        params: &P,
        send: impl FnOnce(&Calls, u64, Vec<u8>),
    ) -> Self
    where
        E: Envelope,
        P: Serialize,
    {
        let start = || {
            let (id, receiver) = calls.start()?;
            let entry = CallEntry { calls, id };
            let mut frame = Vec::new();
            E::write_call(id, name, params, &mut frame)
                .map_err(|error| ClientCallError::Encode(error.into()))?;
            send(&entry.calls, id, frame);
            Ok(CallState::Waiting(entry, receiver))
        };
        Self::new(start().unwrap_or_else(|error| CallState::Ended(Some(error))))
    }

    fn new(state: CallState) -> Self {
        let called_at = Instant::now();
        Self { state, called_at, timeout: DEFAULT_TIMEOUT, sleep: None, returns: PhantomData }
    }

    /// Sets how long the call waits for its answer, from the call on. Default 30 s.
    ///
    /// An answer that is behind more messages than `read_ahead` allows, while an async method is pending, is not
    /// read. Then the timeout ends the wait.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self.sleep = None;
        self
    }
}

impl<R: DeserializeOwned> Future for PendingCall<R> {
    type Output = Result<R, ClientCallError>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = match &mut this.state {
            CallState::Ended(error) => Err(error.take().unwrap_or(ClientCallError::ConnectionEnded)),
            CallState::Waiting(_, receiver) => match Pin::new(receiver).poll(task) {
                Poll::Ready(Ok(Ok(result))) => serde_json::from_str(result.get())
                    .map_err(|error| ClientCallError::Decode(DecodeError::new(error))),
                Poll::Ready(Ok(Err(error))) => Err(ClientCallError::Refused(error)),
                Poll::Ready(Err(_)) => Err(ClientCallError::ConnectionEnded),
                Poll::Pending => {
                    // A time that cannot be expressed never comes.
                    let Some(deadline) = this.called_at.checked_add(this.timeout) else {
                        return Poll::Pending;
                    };
                    let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                    if sleep.as_mut().poll(task).is_pending() {
                        return Poll::Pending;
                    }
                    Err(ClientCallError::Timeout)
                }
            },
        };
        this.state = CallState::Ended(None);
        Poll::Ready(result)
    }
}

impl<R> fmt::Debug for PendingCall<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = match &self.state {
            CallState::Waiting(entry, _) => Some(entry.id),
            CallState::Ended(_) => None,
        };
        f.debug_struct("PendingCall").field("id", &id).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
