//! Work of a connection beside its methods: deferred replies, and futures whose output goes to `#[on_info]`.

mod transition;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker, ready};

use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

pub(crate) use transition::{Transition, TransitionStep};

#[cfg(feature = "json")]
use crate::envelope::{Envelope, Messages};
use crate::error::HandlerError;
use crate::panic::Panic;
use crate::reply::{Defer, DeferredReply, IntoReply, NextState, Replies, ReplyFuture};
#[cfg(feature = "json")]
use crate::reply::{Outgoing, SendsOnly};

/// A reply that comes later: a future whose output is sent to the client when it completes.
///
/// Any method may return one, alone or inside an `Option`, a `Result` or a tuple. The connection goes on
/// meanwhile: it handles other messages, timers and infos, in contrast to an `async` method, after which the
/// next message waits. Replies are sent in the order in which they become ready.
///
/// The future borrows nothing. It runs as a task of the tokio runtime, also for connections of
/// [`Router::workers`](crate::Router::workers), and belongs to the connection:
///
/// - At most `max_deferred` futures of a connection run at the same time (64). One more is dropped, and
///   `#[on_error]` gets [`HandlerError::TooManyDeferred`].
/// - When the connection closes, its futures are cancelled at their next `await`, before `#[on_close]`. A
///   shutdown of the server waits for them, until its deadline, and their replies still go out.
/// - An output `Err` goes to `#[on_error]`, like that of a method. A panic closes the connection with 1011.
///
/// A future whose output is for the handler, not for the client, is
/// [`Context::spawn`](crate::Context::spawn). Cowboy has no equivalent: there, a process of its own sends its
/// result to `websocket_info`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Reports;
/// #[websocket]
/// impl Reports {
///     #[on_text]
///     fn build(&mut self, year: String) -> Deferred<String> {
///         Deferred::new(async move {
///             tokio::time::sleep(Duration::from_secs(60)).await;
///             format!("report of {year}")
///         })
///     }
///
///     #[on_binary]
///     fn echo(&mut self, bytes: &[u8]) -> Vec<u8> {
///         bytes.to_vec()
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Reports).await;
/// client.send("2025").await;
/// client.send(b"still here".to_vec()).await;
/// assert_eq!(client.binary().await, "still here");
/// client.advance(Duration::from_secs(60)).await;
/// assert_eq!(client.text().await, "report of 2025");
/// # }
/// ```
#[must_use = "a deferred reply runs when a method returns it, or when `cx.send` takes it"]
pub struct Deferred<R>(Pin<Box<dyn Future<Output = R> + Send>>);

impl<R> Deferred<R> {
    /// Wraps the future of a reply. The future starts when the method returns it.
    pub fn new(future: impl Future<Output = R> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }

    /// Returns the future.
    #[cfg(feature = "json")]
    pub(crate) fn into_future(self) -> Pin<Box<dyn Future<Output = R> + Send>> {
        self.0
    }
}

impl<R: IntoReply + Send + 'static> IntoReply for Deferred<R> {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        to.defer(Box::pin(async move {
            let reply = self.0.await;
            Box::new(move |to: &mut Replies<'_>| reply.into_reply(to)) as DeferredReply
        }))
    }
}

#[cfg(feature = "json")]
impl<S, E, R> Outgoing<SendsOnly<S>, E> for Deferred<R>
where
    S: Messages,
    E: Envelope,
    R: Outgoing<SendsOnly<S>, E> + Send + 'static,
{
    fn send(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        to.defer(Box::pin(async move {
            let reply = self.0.await;
            Box::new(move |to: &mut Replies<'_>| reply.send(to)) as DeferredReply
        }))
    }
}

impl<R> fmt::Debug for Deferred<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}

/// The futures of a connection. Dropping the value cancels them.
pub(crate) struct Work<I> {
    running: JoinSet<Completed<I>>,
    /// What completed while an async method was pending, and needs the handler.
    held: VecDeque<Completed<I>>,
    /// The waker of a method that waits for [`Context::flushed`](crate::Context::flushed). It is here because
    /// few connections have one.
    pub(crate) flush_waker: Option<Waker>,
    /// The error of a `send` or a subscription of the running method, for `#[on_error]`.
    pub(crate) failure: Option<Box<HandlerError>>,
    /// The transition between the handler's states; `None` for a handler without states.
    pub(crate) transition: Option<Transition>,
}

/// The output of a future.
pub(crate) enum Completed<I> {
    /// A reply for the client.
    Reply(DeferredReply),
    /// A message for the handler.
    Info(I),
    /// The error of a reply that could not be sent.
    Failed(HandlerError),
    /// The future panicked.
    Panicked(Panic),
}

impl<I: Send + 'static> Work<I> {
    pub(crate) fn new() -> Self {
        let (running, held) = (JoinSet::new(), VecDeque::new());
        Self { running, held, flush_waker: None, failure: None, transition: None }
    }

    /// Creates the value for a handler with states, whose first state has not been entered.
    pub(crate) fn with_states() -> Self {
        Self { transition: Some(Transition::new()), ..Self::new() }
    }

    /// Starts a future, unless `limit` futures run.
    ///
    /// # Errors
    ///
    /// Returns [`HandlerError::TooManyDeferred`] at the limit.
    pub(crate) fn start(
        slot: &mut Option<Box<Self>>,
        limit: usize,
        future: impl Future<Output = Completed<I>> + Send + 'static,
    ) -> Result<(), HandlerError> {
        let work = slot.get_or_insert_with(|| Box::new(Self::new()));
        if work.len() >= limit {
            return Err(HandlerError::TooManyDeferred);
        }
        // In the span of the connection, or in one that the method has entered.
        work.running.spawn(future.in_current_span());
        Ok(())
    }

    /// Returns the number of futures whose output has not been handled.
    pub(crate) fn len(&self) -> usize {
        self.running.len() + self.held.len()
    }

    /// Takes the next output. Ready with `None` if there are no futures.
    pub(crate) fn poll_next(&mut self, task: &mut TaskContext<'_>) -> Poll<Option<Completed<I>>> {
        match self.held.pop_front() {
            Some(completed) => Poll::Ready(Some(completed)),
            None => self.poll_running(task),
        }
    }

    /// Like [`poll_next`](Self::poll_next), but without the outputs that were held back.
    pub(crate) fn poll_running(&mut self, task: &mut TaskContext<'_>) -> Poll<Option<Completed<I>>> {
        while let Some(next) = ready!(self.running.poll_join_next(task)) {
            match next.map_err(JoinError::try_into_panic) {
                Ok(completed) => return Poll::Ready(Some(completed)),
                Err(Ok(panic)) => {
                    return Poll::Ready(Some(Completed::Panicked(Panic::from_payload(panic))));
                }
                // The task was cancelled, because the runtime shuts down.
                Err(Err(_)) => {}
            }
        }
        Poll::Ready(None)
    }

    /// Holds an output back until the handler is free.
    pub(crate) fn hold(&mut self, completed: Completed<I>) {
        self.held.push_back(completed);
    }

    /// Cancels the futures that run.
    pub(crate) fn cancel(&mut self) {
        self.running.abort_all();
    }
}

impl<I: Send + 'static> Defer for Option<Box<Work<I>>> {
    fn defer(&mut self, limit: usize, reply: ReplyFuture) -> Result<(), HandlerError> {
        Work::start(self, limit, async { Completed::Reply(reply.await) })
    }

    fn running(&self) -> usize {
        self.as_ref().map_or(0, |work| work.len())
    }

    fn goto(&mut self, state: NextState) -> Result<(), HandlerError> {
        match self.as_mut().and_then(|work| work.transition.as_mut()) {
            Some(transition) => {
                transition.request(state);
                Ok(())
            }
            None => {
                let text = format!("a `Goto<{}>` in a handler without states", state.name);
                Err(HandlerError::Reply(text.into()))
            }
        }
    }
}

impl<I> fmt::Debug for Work<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("running", &self.running.len()).finish_non_exhaustive()
    }
}
