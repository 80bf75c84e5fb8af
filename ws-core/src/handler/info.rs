//! The messages that a handler takes.

use std::sync::Arc;

use super::Handler;
use crate::topic::Published;

/// A handler that takes messages of type `M`: the bound of [`Addr::send`](crate::Addr::send).
///
/// `#[websocket]` implements this trait for each `#[on_info]`; do not implement it by hand.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat { #[on_info] fn news(&mut self, news: News) -> String { news.0 } }
/// struct News(String);
///
/// /// Works with any handler that takes `News`.
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
    /// Wraps the message in the handler's message enum.
    fn info(message: M) -> Self::Info;
}

/// A message that a handler `H` takes. Implemented wherever `H: OnInfo<Self>`.
///
/// Bounds use this trait instead of `OnInfo` so that a compile error names the message and the handler
/// as the user wrote them.
#[diagnostic::on_unimplemented(
    message = "`{H}` does not take messages of type `{Self}`",
    label = "no `#[on_info]` of `{H}` takes a `{Self}`",
    note = "add `#[on_info] fn …(&mut self, message: {Self})` to the `#[websocket] impl {H}`"
)]
pub trait InfoOf<H: Handler>: Sized {
    /// Wraps the message in the handler's message enum.
    fn into_info(self) -> H::Info;
}

#[diagnostic::do_not_recommend]
impl<H: OnInfo<M>, M> InfoOf<H> for M {
    #[inline]
    fn into_info(self) -> H::Info {
        H::info(self)
    }
}

/// A value whose publications a handler `H` takes: the bound of
/// [`Context::subscribe`](crate::Context::subscribe).
///
/// Implemented for `T` if the handler has an `#[on_info]` for `Arc<T>` or for [`Published<T>`]; `M` is
/// that message type. Do not implement this trait by hand.
///
/// ```
/// use ws_core::{Context, DeliverTo, Handler, Topic};
///
/// /// Subscribes any handler to topics of any type that it takes.
/// fn subscribe_all<H, T, M>(rooms: &[Topic<T>], cx: &mut Context<H>)
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
    message = "`{H}` does not take published values of type `{Self}`",
    label = "no `#[on_info]` of `{H}` takes an `Arc<{Self}>`",
    note = "published values are shared: `Arc<{Self}>`, or `Published<{Self}>` with the position",
    note = "add `#[on_info] fn …(&mut self, message: Arc<{Self}>)` to the `#[websocket] impl {H}`",
    note = "or forward the topic to the client, with `cx.forward(&topic)`"
)]
pub trait DeliverTo<H: Handler, M>: Sized {
    /// Wraps the published value in the handler's message enum.
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
