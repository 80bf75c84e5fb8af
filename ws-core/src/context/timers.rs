//! Timers that are set while a connection is open.

use std::time::{Duration, Instant};

use super::Context;
use crate::handler::{Handler, OnInfo};
use crate::timer::TimerId;

impl<H: Handler> Context<H> {
    /// Sends a message to this handler after `delay`; Cowboy's `erlang:start_timer`. It ends with
    /// the connection.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::Test};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.send_after(Duration::from_secs(5), "hello");
    ///     }
    ///     #[on_info]
    ///     fn say(&mut self, what: &'static str) -> &'static str {
    ///         what
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = Test::open(Chat).await;
    /// client.nothing().await;
    /// client.advance(Duration::from_secs(5)).await;
    /// assert_eq!(client.text().await, "hello");
    /// # }
    /// ```
    pub fn send_after<M>(&mut self, delay: Duration, message: M) -> TimerId
    where
        H: OnInfo<M>,
    {
        let at = later(now(), delay);
        self.session().timers.once(at, H::info(message))
    }

    /// Sends a message to this handler every `period`, first after one period; at least a
    /// millisecond. Ticks that were missed are skipped.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::Test};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[derive(Clone)]
    /// struct Tick;
    ///
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.send_every(Duration::from_secs(1), Tick);
    ///     }
    ///     #[on_info]
    ///     fn tick(&mut self, _: Tick) -> &'static str {
    ///         "tick"
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = Test::open(Chat).await;
    /// client.advance(Duration::from_secs(2)).await;
    /// assert_eq!((client.text().await, client.text().await), ("tick".into(), "tick".into()));
    /// # }
    /// ```
    pub fn send_every<M>(&mut self, period: Duration, message: M) -> TimerId
    where
        H: OnInfo<M>,
        M: Clone + Send + 'static,
    {
        let period = period.max(Duration::from_millis(1));
        let at = later(now(), period);
        self.session().timers.every(at, period, Box::new(move || H::info(message.clone())))
    }

    /// Stops a timer. False if it is not running any more; its last message may then be handled
    /// already.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::Test};
    /// # #[websocket] #[derive(Default)] struct Chat(Option<TimerId>);
    /// # struct Late;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         self.0 = Some(cx.send_after(Duration::from_secs(10), Late));
    ///     }
    ///     #[on_text]
    ///     fn login(&mut self, _: &str, cx: &mut Context<Self>) {
    ///         self.0.take().map(|timer| cx.cancel(timer));
    ///     }
    ///     #[on_info]
    ///     fn late(&mut self, _: Late) -> Close {
    ///         Close::from(4001)
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = Test::open(Chat::default()).await;
    /// client.send("me").await;
    /// client.advance(Duration::from_secs(10)).await;
    /// client.nothing().await;
    /// # }
    /// ```
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.session().timers.cancel(timer)
    }
}

/// The runtime's clock, which tests can set.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A time that far away is never reached anyway.
fn later(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or_else(|| now + Duration::from_hours(24 * 365 * 30))
}
