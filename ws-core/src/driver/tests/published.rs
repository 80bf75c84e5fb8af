//! What topics bring to a handler: values that it shares with others, and the news that some were missed.

use std::fmt::Display;
use std::sync::Arc;

use crate::clock::now;
use crate::context::Context;
use crate::event::{Event, EventOutcome};
use crate::handler::{Handler, HandlerInstance};
use crate::options::{Overflow, Unhandled};
use crate::prelude::*;
use crate::wire::Connection;

/// A context without a connection around it.
fn context<H: Handler>() -> Context<H> {
    Context::new(Connection::new(H::CHECKED_DECLARATION.options.into(), Vec::new(), now()), None, None)
}

/// What was replied: the texts, of fewer than 126 bytes each.
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

/// A handler in its place, without a connection around it.
fn seated<H: Handler>(handler: H) -> HandlerInstance<H> {
    HandlerInstance::new(handler, context())
}

/// Runs the method for an event to its end, and says what it replied.
async fn happens<H: Handler>(instance: &mut HandlerInstance<H>, event: Event<'_, H::Info>) -> Vec<String> {
    instance.cx.session().wire.outbox().clear();
    match instance.handler.event(event, &mut instance.cx) {
        EventOutcome::Done => {}
        EventOutcome::Call(call) => {
            assert_eq!(replies(&mut instance.cx), [""; 0], "an async method has not begun");
            H::call(instance, call).await.1.unwrap();
        }
        EventOutcome::Unhandled => panic!("nobody was told"),
        EventOutcome::Failed(error) => panic!("{error}"),
    }
    replies(&mut instance.cx)
}

#[websocket(overflow = drop_oldest)]
#[derive(Default)]
struct Told(u64);

#[websocket]
impl Told {
    #[on_lagged]
    fn lagged(&mut self, missed: u64) -> String {
        self.0 += missed;
        format!("{missed} missed")
    }
}

#[websocket(overflow = drop_newest)]
#[derive(Default)]
struct ToldLater(u64);

#[websocket]
impl ToldLater {
    #[on_lagged]
    async fn lagged(&mut self, cx: &mut Context<Self>, missed: u64) -> Result<String, std::io::Error> {
        cx.send("sorry");
        tokio::task::yield_now().await;
        self.0 += missed;
        Ok(format!("{missed} missed"))
    }
}

/// Need not know how many.
#[websocket(overflow = latest)]
#[derive(Default)]
struct Incurious;

#[websocket]
impl Incurious {
    #[on_lagged]
    fn lagged(&mut self) -> Result<&'static str, String> {
        Ok("some missed")
    }
}

#[websocket(overflow = latest)]
#[derive(Default)]
struct IncuriousAsync;

#[websocket]
impl IncuriousAsync {
    #[on_lagged]
    async fn lagged(&self, cx: &mut Context<Self>) {
        tokio::task::yield_now().await;
        cx.send("some missed");
    }
}

/// An alias is the number that it stands for.
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

/// Whose attribute is not there.
#[websocket(unhandled = close)]
#[derive(Default)]
struct Deaf;

#[websocket]
impl Deaf {
    #[on_text]
    fn text(&mut self, _: &str) {}

    #[cfg(any())]
    #[on_lagged]
    fn lagged(&mut self, _: NoSuchType) {}
}

#[tokio::test]
async fn lagging_is_told_to_its_method() {
    let mut handler = seated(Told::default());
    assert_eq!(happens(&mut handler, Event::Lagged(7)).await, ["7 missed"]);
    assert_eq!(happens(&mut handler, Event::Lagged(u64::MAX - 7)).await, ["18446744073709551608 missed"]);
    assert_eq!(handler.handler.0, u64::MAX);
    assert_eq!(happens(&mut seated(Incurious), Event::Lagged(7)).await, ["some missed"]);
}

#[tokio::test]
async fn async_method_is_given_the_number_later() {
    let mut handler = seated(ToldLater::default());
    assert_eq!(happens(&mut handler, Event::Lagged(7)).await, ["sorry", "7 missed"]);
    assert_eq!(happens(&mut handler, Event::Lagged(0)).await, ["sorry", "0 missed"]);
    assert_eq!(handler.handler.0, 7);
    assert_eq!(happens(&mut seated(IncuriousAsync), Event::Lagged(7)).await, ["some missed"]);
}

#[tokio::test]
async fn error_of_on_lagged_is_one_of_the_handler() {
    let mut cx = context::<Failing>();
    match Failing.event(Event::Lagged(3), &mut cx) {
        EventOutcome::Failed(error) => assert_eq!(error.to_string(), "3 missed"),
        other => panic!("{other:?}"),
    }
}

/// `unhandled = close` is about what the client sends.
#[tokio::test]
async fn lagging_that_nobody_handles_closes_nothing() {
    assert_eq!(Deaf::CHECKED_DECLARATION.options.unhandled, Unhandled::Close);
    let mut instance = HandlerInstance::new(Deaf, context::<Deaf>());
    assert!(matches!(instance.handler.event(Event::Lagged(7), &mut instance.cx), EventOutcome::Unhandled));
    assert!(instance.invoke(Event::Lagged(7)).is_none());
    assert_eq!(instance.cx.session().wire.close_reason(), None);
    assert_eq!(replies(&mut instance.cx), [""; 0]);
}

#[test]
fn overflow_is_what_was_declared() {
    assert_eq!(Failing::CHECKED_DECLARATION.options.overflow, Overflow::Close);
    assert_eq!(Told::CHECKED_DECLARATION.options.overflow, Overflow::DropOldest);
    assert_eq!(ToldLater::CHECKED_DECLARATION.options.overflow, Overflow::DropNewest);
    assert_eq!(Incurious::CHECKED_DECLARATION.options.overflow, Overflow::Latest);
    assert_eq!(Deaf::CHECKED_DECLARATION.options.overflow, Overflow::Close, "by default");
}

struct Said(&'static str);

struct Left(&'static str);

/// Takes shared values by each of their names.
#[websocket]
#[derive(Default)]
struct Member;

#[websocket]
impl Member {
    #[on_info]
    fn heard(&mut self, said: Arc<Said>) -> &'static str {
        said.0
    }

    #[on_info]
    async fn left(&mut self, left: std::sync::Arc<Left>) -> &'static str {
        tokio::task::yield_now().await;
        left.0
    }
}

/// Takes whatever is published.
#[websocket]
struct Feed<T>(Vec<Arc<T>>);

#[websocket]
impl<T: Send + Sync + Display + 'static> Feed<T> {
    #[on_info]
    fn heard(&mut self, value: Arc<T>) -> String {
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

/// As a topic of `M` would say it.
async fn published<H: OnInfo<Arc<M>>, M: ?Sized>(to: &mut HandlerInstance<H>, value: Arc<M>) -> Vec<String> {
    happens(to, Event::Info(H::info(value))).await
}

#[tokio::test]
async fn what_is_published_is_shared() {
    assert_eq!(published(&mut seated(Member), Arc::new(Said("hello"))).await, ["hello"]);
    assert_eq!(published(&mut seated(Member), Arc::new(Left("bye"))).await, ["bye"]);
    let mut feed = seated(Feed(Vec::new()));
    let value = Arc::new(1.5);
    assert_eq!(published(&mut feed, value.clone()).await, ["1.5"]);
    assert_eq!(published(&mut feed, Arc::new(2.5)).await, ["1.52.5"]);
    assert!(Arc::ptr_eq(&feed.handler.0[0], &value), "not a copy of it");
    assert_eq!(published::<_, [f64]>(&mut feed, Arc::from([3.5, 4.5])).await, ["3.5", "4.5"]);
}
