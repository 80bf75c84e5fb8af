//! Items of topics: values that subscribers share, and the number of missed messages.

use std::fmt::Display;
use std::sync::Arc;

use crate::clock::now;
use crate::context::Context;
use crate::event::{Event, EventOutcome};
use crate::handler::{Handler, HandlerInstance};
use crate::options::{Overflow, Unhandled};
use crate::prelude::*;
use crate::wire::Connection;

/// Creates a context without a connection.
fn context<H: Handler>() -> Context<H> {
    Context::new(Connection::new(H::CHECKED_DECLARATION.options.into(), Vec::new(), now()), None, None)
}

/// Returns the texts in the outbox, of fewer than 126 bytes each.
fn replies<H: Handler>(cx: &mut Context<H>) -> Vec<String> {
    let mut session = cx.session();
    let waiting = session.wire.outbox().waiting();
    let mut waiting = &*waiting;
    let mut texts = Vec::new();
    while let [0x81, len, rest @ ..] = waiting {
        let (text, rest) = rest.split_at(usize::from(*len));
        texts.push(String::from_utf8(text.to_vec()).unwrap());
        waiting = rest;
    }
    assert_eq!(waiting, b"");
    texts
}

/// Creates a handler instance without a connection.
fn instance<H: Handler>(handler: H) -> HandlerInstance<H> {
    HandlerInstance::new(handler, context())
}

/// Runs the method for an event to its end. Returns its replies.
async fn run_event<H: Handler>(instance: &mut HandlerInstance<H>, event: Event<'_, H::Info>) -> Vec<String> {
    instance.cx.session().wire.outbox().clear();
    match instance.handler.event(event, &mut instance.cx) {
        EventOutcome::Done => {}
        EventOutcome::Call(call) => {
            assert_eq!(replies(&mut instance.cx), [""; 0], "an async method has not begun");
            H::call(instance, call).await.1.unwrap();
        }
        EventOutcome::Unhandled => panic!("no method took the event"),
        EventOutcome::Failed(error) => panic!("{error}"),
    }
    replies(&mut instance.cx)
}

#[websocket(overflow = drop_oldest)]
#[derive(Default)]
struct Lagging(u64);

#[websocket]
impl Lagging {
    #[on_lagged]
    fn lagged(&mut self, missed: u64) -> String {
        self.0 += missed;
        format!("{missed} missed")
    }
}

#[websocket(overflow = drop_newest)]
#[derive(Default)]
struct LaggingAsync(u64);

#[websocket]
impl LaggingAsync {
    #[on_lagged]
    async fn lagged(&mut self, cx: &mut Context<Self>, missed: u64) -> Result<String, std::io::Error> {
        cx.send("sorry");
        tokio::task::yield_now().await;
        self.0 += missed;
        Ok(format!("{missed} missed"))
    }
}

/// Handler whose method takes no number.
#[websocket(overflow = latest)]
#[derive(Default)]
struct WithoutNumber;

#[websocket]
impl WithoutNumber {
    #[on_lagged]
    fn lagged(&mut self) -> Result<&'static str, String> {
        Ok("some missed")
    }
}

#[websocket(overflow = latest)]
#[derive(Default)]
struct WithoutNumberAsync;

#[websocket]
impl WithoutNumberAsync {
    #[on_lagged]
    async fn lagged(&self, cx: &mut Context<Self>) {
        tokio::task::yield_now().await;
        cx.send("some missed");
    }
}

/// Alias of the number's type.
type Count = u64;

#[websocket(overflow = close)]
#[derive(Default)]
struct Failing;

#[websocket]
impl Failing {
    #[on_lagged]
    fn lagged(&mut self, missed: Count) -> Result<(), String> {
        Err(format!("{missed} missed"))
    }
}

/// Handler of a method whose attribute is configured out.
#[websocket(unhandled = close)]
#[derive(Default)]
struct Unattributed;

#[websocket]
impl Unattributed {
    #[on_text]
    fn text(&mut self, _: &str) {}

    #[cfg(any())]
    #[on_lagged]
    fn lagged(&mut self, _: NoSuchType) {}
}

#[tokio::test]
async fn lag_runs_on_lagged() {
    let mut handler = instance(Lagging::default());
    assert_eq!(run_event(&mut handler, Event::Lagged(7)).await, ["7 missed"]);
    assert_eq!(run_event(&mut handler, Event::Lagged(u64::MAX - 7)).await, ["18446744073709551608 missed"]);
    assert_eq!(handler.handler.0, u64::MAX);
    assert_eq!(run_event(&mut instance(WithoutNumber), Event::Lagged(7)).await, ["some missed"]);
}

#[tokio::test]
async fn async_on_lagged_gets_the_number() {
    let mut handler = instance(LaggingAsync::default());
    assert_eq!(run_event(&mut handler, Event::Lagged(7)).await, ["sorry", "7 missed"]);
    assert_eq!(run_event(&mut handler, Event::Lagged(0)).await, ["sorry", "0 missed"]);
    assert_eq!(handler.handler.0, 7);
    assert_eq!(run_event(&mut instance(WithoutNumberAsync), Event::Lagged(7)).await, ["some missed"]);
}

#[tokio::test]
async fn error_of_on_lagged_is_a_handler_error() {
    let mut cx = context::<Failing>();
    match Failing.event(Event::Lagged(3), &mut cx) {
        EventOutcome::Failed(error) => assert_eq!(error.to_string(), "3 missed"),
        other => panic!("{other:?}"),
    }
}

/// `unhandled = close` applies to messages of the client alone.
#[tokio::test]
async fn lag_without_on_lagged_does_not_close() {
    assert_eq!(Unattributed::CHECKED_DECLARATION.options.unhandled, Unhandled::Close);
    let mut instance = HandlerInstance::new(Unattributed, context::<Unattributed>());
    assert!(matches!(instance.handler.event(Event::Lagged(7), &mut instance.cx), EventOutcome::Unhandled));
    assert!(instance.invoke(Event::Lagged(7)).is_none());
    assert_eq!(instance.cx.session().wire.close_reason(), None);
    assert_eq!(replies(&mut instance.cx), [""; 0]);
}

#[test]
fn overflow_option_is_the_declared_one() {
    assert_eq!(Failing::CHECKED_DECLARATION.options.overflow, Overflow::Close);
    assert_eq!(Lagging::CHECKED_DECLARATION.options.overflow, Overflow::DropOldest);
    assert_eq!(LaggingAsync::CHECKED_DECLARATION.options.overflow, Overflow::DropNewest);
    assert_eq!(WithoutNumber::CHECKED_DECLARATION.options.overflow, Overflow::Latest);
    assert_eq!(Unattributed::CHECKED_DECLARATION.options.overflow, Overflow::Close, "by default");
}

struct Posted(&'static str);

struct Left(&'static str);

/// Handler that takes shared values through each path of `Arc`.
#[websocket]
#[derive(Default)]
struct Member;

#[websocket]
impl Member {
    #[on_info]
    fn posted(&mut self, posted: Arc<Posted>) -> &'static str {
        posted.0
    }

    #[on_info]
    async fn left(&mut self, left: std::sync::Arc<Left>) -> &'static str {
        tokio::task::yield_now().await;
        left.0
    }
}

/// Handler that takes every published value.
#[websocket]
struct Feed<T>(Vec<Arc<T>>);

#[websocket]
impl<T: Send + Sync + Display + 'static> Feed<T> {
    #[on_info]
    fn value(&mut self, value: Arc<T>) -> String {
        self.0.push(value);
        self.0.iter().map(|value| value.to_string()).collect()
    }

    #[on_info]
    async fn all(&mut self, values: Arc<[T]>, cx: &mut Context<Self>) {
        for value in &*values {
            cx.send(value.to_string());
        }
    }
}

/// Delivers a value like a topic of `M`.
async fn published<H: OnInfo<Arc<M>>, M: ?Sized>(to: &mut HandlerInstance<H>, value: Arc<M>) -> Vec<String> {
    run_event(to, Event::Info(H::info(value))).await
}

#[tokio::test]
async fn published_values_are_shared() {
    assert_eq!(published(&mut instance(Member), Arc::new(Posted("hello"))).await, ["hello"]);
    assert_eq!(published(&mut instance(Member), Arc::new(Left("bye"))).await, ["bye"]);
    let mut feed = instance(Feed(Vec::new()));
    let value = Arc::new(1.5);
    assert_eq!(published(&mut feed, value.clone()).await, ["1.5"]);
    assert_eq!(published(&mut feed, Arc::new(2.5)).await, ["1.52.5"]);
    assert!(Arc::ptr_eq(&feed.handler.0[0], &value), "the value was copied");
    assert_eq!(published::<_, [f64]>(&mut feed, Arc::from([3.5, 4.5])).await, ["3.5", "4.5"]);
}
