//! The messages that a handler takes.

use std::sync::Arc;

use super::Handler;
use crate::topic::Published;

/// Which messages a handler takes: implemented for each `#[on_info]`, not by hand. It is what
/// [`Addr::send`](crate::Addr::send) asks for.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat { #[on_info] fn say(&mut self, what: News) -> String { what.0 } }
/// struct News(String);
///
/// /// Any handler will do that takes news.
/// fn announce<H: OnInfo<News>>(to: &Addr<H>, text: &str) -> Result<(), SendError<News>> {
///     to.send(News(text.to_owned()))
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let mut client = TestClient::open(Chat).await;
/// announce(&client.addr(), "extra!").unwrap();
/// assert_eq!(client.text().await, "extra!");
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take messages of type `{M}`",
    label = "no `#[on_info]` for `{M}`",
    note = "add `#[on_info] fn …(&mut self, message: {M})` to the `#[websocket] impl {Self}`"
)]
pub trait OnInfo<M>: Handler {
    /// The message as one of the handler's.
    fn info(message: M) -> Self::Info;
}

/// A message that `H` takes, so that an error speaks of the message and the handler that were
/// written, even where only one type would do. Implemented wherever `H: OnInfo<Self>`.
#[diagnostic::on_unimplemented(
    message = "`{H}` does not take messages of type `{Self}`",
    label = "no `#[on_info]` of `{H}` takes a `{Self}`",
    note = "add `#[on_info] fn …(&mut self, message: {Self})` to the `#[websocket] impl {H}`"
)]
pub trait InfoOf<H: Handler>: Sized {
    /// The message as one of the handler's.
    fn into_info(self) -> H::Info;
}

#[diagnostic::do_not_recommend]
impl<H: OnInfo<M>, M> InfoOf<H> for M {
    #[inline]
    fn into_info(self) -> H::Info {
        H::info(self)
    }
}

/// What handlers of type `H` take when it is published: those with an `#[on_info]` for `Arc<Self>` or
/// for [`Published<Self>`]. Not to be implemented by hand; `M` is the one of them that it takes.
///
/// ```
/// use ws_core::{Context, Handler, DeliverTo, Topic};
///
/// /// For handlers of any type, and values of any that they hear.
/// fn enter<H, T, M>(rooms: &[Topic<T>], cx: &mut Context<H>)
/// where
///     H: Handler,
///     T: DeliverTo<H, M> + Send + Sync + 'static,
/// {
///     for room in rooms {
///         cx.subscribe(room);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{H}` does not take what is published as `{Self}`",
    label = "no `#[on_info]` of `{H}` takes an `Arc<{Self}>`",
    note = "add `#[on_info] fn …(&mut self, message: Arc<{Self}>)` to the `#[websocket] impl {H}`",
    note = "or send it straight to the client, with `cx.forward(&topic)`"
)]
pub trait DeliverTo<H: Handler, M>: Sized {
    /// The value as one of the handler's messages.
    #[doc(hidden)]
    fn info(message: &Published<Self>) -> H::Info;
}

#[diagnostic::do_not_recommend]
impl<H: OnInfo<Arc<T>>, T> DeliverTo<H, Arc<T>> for T {
    fn info(message: &Published<T>) -> H::Info {
        H::info(Arc::clone(message.value()))
    }
}

#[diagnostic::do_not_recommend]
impl<H: OnInfo<Published<T>>, T> DeliverTo<H, Published<T>> for T {
    fn info(message: &Published<T>) -> H::Info {
        H::info(message.clone())
    }
}
