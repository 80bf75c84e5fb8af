//! The state of the handler, as a test sees it.

use std::any::{Any, type_name};
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use super::TestClient;
use super::clock::settle;
use crate::handler::{Handler, HasState};
use crate::sync::lock;

impl<H: Handler> TestClient<H> {
    /// Reads the state of the handler with a function, and returns the function's result.
    ///
    /// `S` is the type of one of the handler's states, which the handler has to be in. All events before this
    /// call have been handled.
    ///
    /// # Panics
    ///
    /// If the handler is in another state, if an `async` method is pending, or if the connection has ended.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] enum Chat { Guest(Guest), Member(Member) }
    /// struct Guest;
    /// struct Member { name: String }
    ///
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text(ignore = Member)]
    ///     fn login(_: &mut Guest, name: String) -> Goto<Member> {
    ///         Goto(Member { name })
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat::Guest(Guest)).await;
    /// client.send("alice").await;
    /// assert_eq!(client.state(|member: &Member| member.name.clone()).await, "alice");
    /// # }
    /// ```
    #[track_caller]
    pub fn state<S, R>(&mut self, read: impl FnOnce(&S) -> R + Send + 'static) -> impl Future<Output = R>
    where
        H: HasState<S>,
        S: 'static,
        R: Send + 'static,
    {
        let caller = Location::caller();
        async move {
            settle().await;
            let result = Arc::new(Mutex::new(None));
            let slot = Arc::clone(&result);
            let is_open = self.addr.probe(Box::new(move |handler: &dyn Any| {
                let Some(handler) = handler.downcast_ref::<H>() else { return };
                let read = match handler.state() {
                    // A failed assertion belongs to the test, not to the connection.
                    Some(state) => Ok(catch_unwind(AssertUnwindSafe(|| read(state)))),
                    None => Err(H::STATES.get(handler.state_index()).copied().unwrap_or_default()),
                };
                *lock(&slot) = Some(read);
            }));
            let expected = format!("expected the handler in the state `{}`", type_name::<S>());
            if !is_open {
                self.fail(caller, &format!("{expected}, but the connection has ended"));
            }
            settle().await;
            let read = lock(&result).take();
            match read {
                Some(Ok(Ok(result))) => result,
                Some(Ok(Err(panic))) => resume_unwind(panic),
                Some(Err(other)) => self.fail(caller, &format!("{expected}, but it is in `{other}`")),
                None => self.fail(caller, &format!("{expected}, but an `async` method is pending")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::prelude::*;
    use crate::test::TestClient;

    #[websocket]
    enum Chat {
        Guest(Guest),
        Member(Member),
    }

    struct Guest(u32);
    struct Member(String);

    #[websocket]
    impl Chat {
        #[on_text]
        fn login(guest: &mut Guest, name: String) -> Goto<Member> {
            Goto(Member(format!("{name}{}", guest.0)))
        }

        #[on_text]
        async fn said(_: &mut Member, _: &str) -> Close {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Close::default()
        }
    }

    async fn guest() -> TestClient<Chat> {
        TestClient::open(Chat::Guest(Guest(7))).await
    }

    #[tokio::test]
    async fn reads_the_current_state() {
        let mut client = guest().await;
        assert_eq!(client.state(|guest: &Guest| guest.0).await, 7);
        client.send("alice").await;
        assert_eq!(client.state(|member: &Member| member.0.clone()).await, "alice7");
        client.expect_nothing().await;
    }

    #[tokio::test]
    #[should_panic(expected = "tests::Member`, but it is in `Guest`")]
    async fn another_state_is_a_failure() {
        guest().await.state(|_: &Member| ()).await;
    }

    #[tokio::test]
    #[should_panic(expected = "tests::Member`, but an `async` method is pending")]
    async fn pending_method_is_a_failure() {
        let mut client = guest().await;
        client.send("alice").await;
        client.send("hello").await;
        client.state(|_: &Member| ()).await;
    }

    #[tokio::test]
    #[should_panic(expected = "tests::Guest`, but the connection has ended")]
    async fn end_of_the_connection_is_a_failure() {
        let mut client = guest().await;
        client.close(1000).await;
        client.closed().await;
        client.state(|_: &Guest| ()).await;
    }

    #[tokio::test]
    #[should_panic(expected = "seven is not eight")]
    async fn assertion_fails_in_the_test() {
        guest().await.state(|guest: &Guest| assert_eq!(guest.0, 8, "seven is not eight")).await;
    }
}
