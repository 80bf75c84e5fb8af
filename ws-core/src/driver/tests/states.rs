//! States: the order of a transition, timers, async methods, and the ends of a connection in between.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::peer::{Log, Peer, connect, frame};
use crate::prelude::*;

mod endings;
mod handlers;
#[cfg(feature = "json")]
mod named;

const SECOND: Duration = Duration::from_secs(1);

#[websocket(idle_timeout = none, ping_interval = none, cancel_timeout = 5s, unhandled = close)]
enum Chat {
    Guest(Guest),
    Member(Member),
    Idle(Idle),
}

struct Guest(Log);

struct Member {
    name: String,
    log: Log,
}

struct Idle(Log);

/// Not a state.
struct Stranger;

struct News(&'static str);

impl Member {
    fn new(name: &str, log: &Log) -> Self {
        Self { name: name.to_owned(), log: log.clone() }
    }
}

/// A state whose drop panics.
impl Drop for Member {
    fn drop(&mut self) {
        assert!(self.name != "bomb", "dropped");
    }
}

#[websocket]
impl Chat {
    #[on_open]
    fn open(&mut self) -> &'static str {
        "open"
    }

    #[on_enter]
    fn enter_guest(_: &mut Guest) -> &'static str {
        "enter guest"
    }

    #[on_leave]
    fn leave_guest(guest: &mut Guest, cx: &mut Context<Self>) -> &'static str {
        guest.0.send(format!("leave guest with {} bytes", cx.buffered())).unwrap();
        "leave guest"
    }

    #[on_text]
    fn guest_text(
        guest: &mut Guest,
        text: &str,
        cx: &mut Context<Self>,
    ) -> (&'static str, Option<Goto<Member>>, &'static str) {
        let member = Member::new(text, &guest.0);
        match text {
            "again" => cx.send(Goto(Guest(guest.0.clone()))),
            "stranger" => cx.send(Goto(Stranger)),
            "close" => {
                cx.send((Goto(member), Close::from(4000)));
                return ("", None, "");
            }
            "twice" => cx.send((Goto(Guest(guest.0.clone())), Goto(member))),
            "news" => cx.addr().send(News("soon")).unwrap(),
            _ => return ("before", Some(Goto(member)), "after"),
        }
        ("before", None, "after")
    }

    #[on_enter]
    async fn enter_member(member: &mut Member) -> Result<(String, Option<Goto<Idle>>), &'static str> {
        let log = member.log.clone();
        match &*member.name {
            "slow" => sleep(SECOND).await,
            "forever" => pending().await,
            "panic" => panic!("out of order"),
            "fail" => return Err("no entry"),
            "tired" => return Ok(("tired".into(), Some(Goto(Idle(log))))),
            _ => {}
        }
        Ok((format!("enter {}", member.name), None))
    }

    #[on_leave]
    async fn leave_member(member: &mut Member) -> Option<Close> {
        match &*member.name {
            "slow" => sleep(SECOND).await,
            "stuck" => pending().await,
            _ => {}
        }
        (member.name == "sticky").then(|| Close::from(4001))
    }

    #[on_text]
    async fn member_text(
        member: &mut Member,
        text: &str,
    ) -> Result<(Option<String>, Option<Goto<Guest>>), String> {
        sleep(Duration::from_millis(1)).await;
        let guest = || Goto(Guest(member.log.clone()));
        match text {
            "bye" => Ok((None, Some(guest()))),
            "error" => Err(format!("error of {}", member.name)),
            _ => Ok((Some(format!("{}: {text}", member.name)), None)),
        }
    }

    #[on_text]
    fn idle_text(idle: &mut Idle, text: String) -> Deferred<Goto<Member>> {
        let log = idle.0.clone();
        Deferred::new(async move {
            sleep(SECOND).await;
            Goto(Member { name: text, log })
        })
    }

    /// Of all states.
    #[on_ping]
    fn ping(&mut self) -> &'static str {
        match self {
            Self::Guest(_) => "ping of guest",
            Self::Member(_) => "ping of member",
            Self::Idle(_) => "ping of idle",
        }
    }

    #[on_pong]
    fn member_pong(_: &mut Member) -> &'static str {
        "pong of member"
    }

    /// Of all other states.
    #[on_pong]
    async fn pong(&mut self) -> &'static str {
        "pong of another"
    }

    /// Two states ignore it, though `unhandled = close`.
    #[on_binary(ignore(Guest, Idle))]
    fn member_binary(_: &mut Member, bytes: &[u8]) -> String {
        format!("{} bytes", bytes.len())
    }

    #[on_info]
    fn guest_news(guest: &mut Guest, News(text): News) -> Goto<Member> {
        Goto(Member::new(text, &guest.0))
    }

    #[on_info(ignore = Idle)]
    async fn member_news(_: &mut Member, News(text): News) -> &'static str {
        text
    }

    #[every(10s)]
    fn guest_tick(_: &mut Guest) -> &'static str {
        "guest tick"
    }

    #[after(25s)]
    fn guest_timeout(guest: &mut Guest) -> Goto<Idle> {
        Goto(Idle(guest.0.clone()))
    }

    #[every(10s)]
    fn member_tick(_: &mut Member) -> &'static str {
        "member tick"
    }

    #[every(60s)]
    fn tick(&mut self) -> &'static str {
        "tick"
    }

    #[on_error]
    fn guest_error(_: &mut Guest, error: &HandlerError) -> String {
        format!("guest: {error}")
    }

    #[on_error]
    async fn error(&mut self, error: &HandlerError) -> String {
        sleep(Duration::from_millis(1)).await;
        error.to_string()
    }

    #[on_close]
    fn close_guest(guest: &mut Guest) {
        guest.0.send("close of guest".into()).unwrap();
    }

    #[on_close]
    async fn close_member(member: &mut Member, reason: &CloseReason) {
        let _ = reason;
        member.log.send(format!("close of {}", member.name)).unwrap();
    }

    #[on_close]
    fn close_idle(idle: &mut Idle) {
        idle.0.send("close of idle".into()).unwrap();
    }
}

async fn guest() -> Peer {
    let mut peer = connect(|log| Chat::Guest(Guest(log)));
    peer.expect(&["open", "enter guest"]).await;
    peer
}

/// Connects a member of this name, whose `#[on_enter]` has completed.
async fn member(name: &str) -> Peer {
    let mut peer = guest().await;
    peer.send(name).await;
    peer.expect(&["before", "after", "leave guest", &format!("enter {name}")]).await;
    peer
}

impl Peer {
    #[track_caller]
    fn expect(&mut self, texts: &[&str]) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            for text in texts {
                assert_eq!(self.text().await, *text, "{caller}");
            }
        }
    }
}

const PING: &[u8] = &[0x89, 0x80, 0, 0, 0, 0];
const PONG: &[u8] = &[0x8a, 0x80, 0, 0, 0, 0];

#[tokio::test(start_paused = true)]
async fn replies_precede_leaving_and_entering() {
    let mut peer = member("alice").await;
    assert!(peer.event().await.starts_with("leave guest with "));
    peer.send("hello").await;
    peer.expect(&["alice: hello"]).await;
    peer.send("bye").await;
    peer.expect(&["enter guest"]).await;
}

#[tokio::test(start_paused = true)]
async fn method_of_a_state_precedes_the_method_of_all() {
    let mut peer = guest().await;
    peer.raw(PONG).await;
    peer.expect(&["pong of another"]).await;
    peer.send("alice").await;
    peer.expect(&["before", "after", "leave guest", "enter alice"]).await;
    peer.raw(PONG).await;
    peer.expect(&["pong of member"]).await;
    peer.raw(PING).await;
    peer.frame().await.unwrap();
    peer.expect(&["ping of member"]).await;
}

#[tokio::test(start_paused = true)]
async fn ignored_event_is_not_unhandled() {
    let mut peer = guest().await;
    peer.raw(&frame(0x82, b"12")).await;
    peer.send("alice").await;
    peer.expect(&["before", "after", "leave guest", "enter alice"]).await;
    peer.raw(&frame(0x82, b"12")).await;
    peer.expect(&["2 bytes"]).await;
}

#[tokio::test(start_paused = true)]
async fn info_leads_to_a_state_and_is_taken_there() {
    let mut peer = guest().await;
    peer.send("news").await;
    peer.expect(&["before", "after", "leave guest", "enter soon"]).await;
    peer.send("hello").await;
    peer.expect(&["soon: hello"]).await;
}

#[tokio::test(start_paused = true)]
async fn goto_to_the_same_state_leaves_and_enters_it() {
    let mut peer = guest().await;
    let start = Instant::now();
    sleep(Duration::from_secs(9)).await;
    peer.send("again").await;
    peer.expect(&["before", "after", "leave guest", "enter guest", "guest tick"]).await;
    assert_eq!(start.elapsed().as_secs(), 19);
}

#[tokio::test(start_paused = true)]
async fn last_goto_of_a_method_counts() {
    let mut peer = guest().await;
    peer.send("twice").await;
    peer.expect(&["before", "after", "leave guest", "enter twice"]).await;
}

#[tokio::test(start_paused = true)]
async fn timers_run_from_entering_to_leaving() {
    let mut peer = guest().await;
    let start = Instant::now();
    peer.expect(&["guest tick", "guest tick"]).await;
    // The timer of the state leads to another one, at 25 s, and both timers of the old one end.
    peer.expect(&["leave guest"]).await;
    assert_eq!(start.elapsed().as_secs(), 25);
    peer.send("slow").await;
    // Deferred for 1 s, entered after another.
    peer.expect(&["enter slow"]).await;
    assert_eq!(start.elapsed().as_secs(), 27);
    peer.expect(&["member tick"]).await;
    assert_eq!(start.elapsed().as_secs(), 37);
    peer.expect(&["member tick", "member tick", "tick"]).await;
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn messages_wait_for_an_async_transition() {
    let mut peer = guest().await;
    let start = Instant::now();
    for text in ["slow", "one", "bye", "two"] {
        peer.send(text).await;
    }
    peer.expect(&["before", "after", "leave guest", "enter slow", "slow: one"]).await;
    assert_eq!(start.elapsed().as_secs(), 1);
    peer.expect(&["enter guest", "before", "after", "leave guest", "enter two"]).await;
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn messages_before_a_close_are_handled_in_their_states() {
    let mut peer = connect(|log| Chat::Guest(Guest(log)));
    let mut all = [frame(0x81, b"slow"), frame(0x81, b"one")].concat();
    all.extend(frame(0x88, &1000u16.to_be_bytes()));
    peer.raw(&all).await;
    peer.expect(&["open", "enter guest", "before", "after", "leave guest", "enter slow", "slow: one"]).await;
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(peer.events().await.last().unwrap(), "close of slow");
}

#[tokio::test(start_paused = true)]
async fn deferred_goto_waits_for_a_pending_method() {
    let mut peer = guest().await;
    peer.send("tired").await;
    peer.expect(&["before", "after", "leave guest", "tired"]).await;
    // `Idle` has no method for entering. Two deferred transitions, of which the second finds `slow` pending.
    peer.send("slow").await;
    peer.send("late").await;
    peer.raw(PING).await;
    peer.frame().await.unwrap();
    peer.expect(&["ping of idle", "enter slow", "enter late"]).await;
}

#[tokio::test(start_paused = true)]
async fn errors_go_to_the_state_that_they_are_in() {
    let mut peer = guest().await;
    peer.send("stranger").await;
    peer.expect(&["before", "after"]).await;
    let text = peer.text().await;
    assert!(
        text.starts_with("guest: reply cannot be sent: `") && text.contains("Stranger` is not a state of `"),
        "{text}"
    );
    // An error of entering: the state is entered, and works.
    peer.send("fail").await;
    peer.expect(&["before", "after", "leave guest", "no entry"]).await;
    peer.send("error").await;
    peer.expect(&["error of fail"]).await;
    peer.send("hello").await;
    peer.expect(&["fail: hello", "member tick"]).await;
}
