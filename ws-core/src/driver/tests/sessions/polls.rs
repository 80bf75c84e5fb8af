//! Long polls, and the POSTs beside them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::client::{Peer, begin, own_scope};
use super::{Log, S};
use crate::handler::Handler;
use crate::prelude::*;
use crate::transport::http::{DeliveryError, PostBody, ResponseKind, SessionEvents, deliver};
use crate::transport::session::SessionLink;

const MS: Duration = Duration::from_millis(1);

/// A handler that always has something to send, and handles each message slowly.
#[websocket(session(resume = 20s), ping_interval = none, idle_timeout = none)]
struct Busy(Log);

#[websocket]
impl Busy {
    #[on_text]
    async fn text(&mut self, text: String) {
        sleep(MS).await;
        self.0.send(format!("{} {}", text.split(' ').next().unwrap_or_default(), text.len())).unwrap();
    }

    #[every(1ms)]
    fn tick(&mut self) -> &'static str {
        "tick"
    }

    #[on_detach]
    fn detach(&mut self) {
        self.0.send("detach".into()).unwrap();
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

async fn busy() -> Peer {
    begin(1 << 16, Busy::CHECKED_DECLARATION.options, Busy).await
}

/// Sends a poll, and returns its answer. The client then has its messages.
async fn poll(peer: &mut Peer) -> String {
    let reservation = peer.link.reserve(peer.received).expect("the session goes on");
    let options = Busy::CHECKED_DECLARATION.options;
    let (events, attachment) = SessionEvents::connect(ResponseKind::Poll, &options, peer.received, None);
    reservation.attach(attachment);
    let answer = String::from_utf8(events.into_poll(false, 25 * S).await).unwrap();
    peer.received += answer.matches("id: ").count() as u64;
    answer
}

/// Sends a POST of messages with these numbers, each as long as its number demands.
async fn post(link: Arc<SessionLink>, numbers: std::ops::RangeInclusive<usize>) -> Result<(), DeliveryError> {
    let first = *numbers.start();
    let messages: Vec<_> = numbers.map(text).collect();
    let body = json!({ "first": first, "messages": messages }).to_string();
    deliver(&link, PostBody::parse(body.as_bytes()).unwrap()).await
}

/// Returns the text of a message. Some are larger than what is read at once.
fn text(number: usize) -> String {
    format!("{number} {}", "x".repeat(number % 3 * 30_000))
}

fn handled(number: usize) -> String {
    format!("{number} {}", text(number).len())
}

/// Each poll is answered in the same poll of the session's task, so that no POST meets one.
#[tokio::test(start_paused = true)]
async fn post_is_answered_although_each_poll_is_answered_at_once() {
    let mut peer = busy().await;
    poll(&mut peer).await;
    for number in 1..=50 {
        let mut post = pin!(post(Arc::clone(&peer.link), number..=number));
        let mut polls = 0;
        loop {
            sleep(2 * MS).await;
            let start = Instant::now();
            let answer = poll(&mut peer).await;
            assert!(answer.contains("data: tick") && start.elapsed() < MS, "a message waits: {answer}");
            if let Ok(result) = timeout(Duration::ZERO, &mut post).await {
                break result.expect("the session takes the message");
            }
            polls += 1;
            assert!(polls <= 10, "the POST of message {number} stands still");
        }
        assert_eq!((peer.event().await, peer.link.received()), (handled(number), number as u64));
    }
}

#[tokio::test(start_paused = true)]
async fn post_between_two_polls_needs_none() {
    let mut peer = busy().await;
    poll(&mut peer).await;
    sleep(S).await;
    let start = Instant::now();
    post(Arc::clone(&peer.link), 1..=2).await.expect("the session takes the messages");
    assert!(start.elapsed() < 10 * MS, "without the next poll");
    assert_eq!((peer.event().await, peer.event().await), (handled(1), handled(2)));
    sleep(5 * S).await;
    assert_eq!(peer.event().await, "detach");
    assert_eq!(post(Arc::clone(&peer.link), 3..=3).await, Err(DeliveryError::NotCarried));

    // The next poll resumes.
    poll(&mut peer).await;
    post(Arc::clone(&peer.link), 3..=3).await.expect("the session takes the message");
    assert_eq!(peer.event().await, handled(3));
    let close = PostBody::parse(br#"{"close":{"code":1000,"reason":"bye"}}"#).unwrap();
    timeout(10 * S, deliver(&peer.link, close)).await.expect("an answer").expect("the session ends");
    assert!(peer.event().await.starts_with("Remote("));
    assert!(peer.sessions.find(&peer.token, &own_scope()).is_none());
}

/// Messages that wait while polls end and others follow are handled once and in order, in spite of late copies.
#[tokio::test(start_paused = true)]
async fn messages_that_wait_outlive_their_poll() {
    let mut peer = busy().await;
    poll(&mut peer).await;
    let mut posts = Vec::new();
    for numbers in [1..=200, 1..=200, 1..=201, 1..=3] {
        posts.push(tokio::spawn(post(Arc::clone(&peer.link), numbers)));
    }
    while posts.iter().any(|post| !post.is_finished()) {
        poll(&mut peer).await;
        sleep(3 * MS / 2).await;
    }
    for post in posts {
        post.await.unwrap().expect("the session takes the messages");
    }
    for number in 1..=201 {
        assert_eq!(peer.event().await, handled(number));
    }
    // A WebSocket takes over: what it sends again is handled once, although a POST has brought a part of it.
    let late = tokio::spawn(post(Arc::clone(&peer.link), 202..=204));
    while peer.link.received() < 202 {
        sleep(MS / 10).await;
    }
    peer.sent = 201;
    (202..=204).for_each(|number| peer.queue(&text(number)));
    assert!(peer.resume().await);
    for number in 202..=204 {
        assert_eq!(peer.event().await, handled(number));
    }
    late.abort();
    sleep(S).await;
    assert!(peer.log.try_recv().is_err(), "each message is handled once");
}

#[tokio::test(start_paused = true)]
async fn post_acknowledges_between_two_polls() {
    let mut peer = busy().await;
    poll(&mut peer).await;
    sleep(S).await;
    let received = peer.received;
    let ack = |number: u64| PostBody::parse(format!("{{\"ack\":{number}}}").as_bytes()).unwrap();
    assert_eq!(deliver(&peer.link, ack(received + 1)).await, Err(DeliveryError::UnsentAck));
    deliver(&peer.link, ack(received)).await.expect("the session takes the acknowledgement");
    sleep(MS).await;
    assert!(peer.link.reserve(received - 1).is_none(), "what is acknowledged is not kept");
}
