//! Named methods of states: dispatch by name and state, answers with a `Goto`, and refusals.

use super::*;
use crate::{CallError, JsonRpc, Tagged};

mod batches;

/// A result that does not serialize.
struct Broken;

impl serde::Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no luck"))
    }
}

struct Refused;

impl From<Refused> for CallError {
    fn from(_: Refused) -> Self {
        Self::new(-32000, "unknown name")
    }
}

#[derive(serde::Serialize)]
struct Welcome {
    name: String,
}

#[websocket(envelope = JsonRpc, idle_timeout = none, ping_interval = none, max_deferred = 2)]
enum Desk {
    Visitor(Visitor),
    User(User),
    Locked(Locked),
}

struct Visitor(Log);

struct User {
    name: String,
    log: Log,
}

struct Locked(Log);

/// An alias hides nothing from the compiler, only from the check of what leads to a state.
type Entered<T> = Result<(T, Goto<User>), Refused>;

impl Visitor {
    fn check(&self, name: &str) -> Result<Goto<User>, Refused> {
        let user = || Goto(User { name: name.to_owned(), log: self.0.clone() });
        (name != "nobody").then(user).ok_or(Refused)
    }
}

#[websocket]
impl Desk {
    #[on_call]
    fn login(visitor: &mut Visitor, name: &str) -> Result<(Welcome, Goto<User>), Refused> {
        Ok((Welcome { name: name.to_owned() }, visitor.check(name)?))
    }

    #[on_call("login.slow")]
    async fn login_slow(visitor: &mut Visitor, cx: &mut Context<Self>, name: &str) -> Entered<usize> {
        sleep(SECOND).await;
        Ok((cx.buffered(), visitor.check(name)?))
    }

    #[on_call("login.later")]
    fn login_later(visitor: &mut Visitor, name: String) -> Deferred<Entered<usize>> {
        let checked = visitor.check(&name);
        Deferred::new(async move {
            sleep(SECOND).await;
            Ok((name.len(), checked?))
        })
    }

    #[on_call("login.broken")]
    fn login_broken(visitor: &mut Visitor) -> (Broken, Option<Goto<User>>) {
        (Broken, visitor.check("broken").ok())
    }

    #[on_call]
    fn later(_: &mut Visitor, seconds: u64) -> Deferred<u64> {
        Deferred::new(async move {
            sleep(Duration::from_secs(seconds)).await;
            seconds
        })
    }

    #[on_call]
    fn status(_: &mut Visitor) -> &'static str {
        "visitor"
    }

    /// Of the same name, with other arguments and another answer.
    #[on_call("status")]
    async fn user_status(user: &mut User, prefix: &str, n: Option<u8>) -> (String, u8) {
        sleep(Duration::from_millis(1)).await;
        (format!("{prefix} {}", user.name), n.unwrap_or_default())
    }

    #[on_message]
    fn enter(visitor: &mut Visitor, name: String) -> (&'static str, Option<Goto<User>>) {
        ("entered", visitor.check(&name).ok())
    }

    #[on_message]
    fn note(visitor: &mut Visitor, text: &str) {
        visitor.0.send(format!("note {text}")).unwrap();
    }

    #[on_message("note")]
    async fn user_note(user: &mut User, number: u32) -> String {
        sleep(Duration::from_millis(1)).await;
        format!("note {number} of {}", user.name)
    }

    #[on_call]
    fn logout(user: &mut User) -> Goto<Visitor> {
        Goto(Visitor(user.log.clone()))
    }

    #[on_call]
    fn lock(user: &mut User, hard: bool) -> Option<Goto<Locked>> {
        hard.then(|| Goto(Locked(user.log.clone())))
    }

    #[on_call]
    fn leave(user: &mut User, to: &str) -> (u8, Option<Goto<Visitor>>, Option<Goto<Locked>>) {
        let log = || user.log.clone();
        (7, (to == "visitor").then(|| Goto(Visitor(log()))), (to == "locked").then(|| Goto(Locked(log()))))
    }

    #[on_call]
    fn unlock(locked: &mut Locked, cx: &mut Context<Self>) {
        cx.send(Goto(Visitor(locked.0.clone())));
    }

    /// Of all states but one.
    #[on_call("number", ignore = Locked)]
    fn number(&mut self) -> usize {
        self.state_number()
    }

    /// Of all states but two, which ignore it.
    #[on_message(ignore(Visitor, Locked))]
    fn shout(&mut self) -> String {
        format!("shout in {}", self.state_number())
    }

    #[on_enter]
    async fn enter_user(user: &mut User) -> String {
        if user.name == "slow" {
            sleep(SECOND).await;
        }
        format!("enter {}", user.name)
    }

    #[on_leave]
    fn leave_user(user: &mut User) -> Option<Close> {
        (user.name == "sticky").then(|| Close::from(4001))
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }
}

impl Desk {
    fn state_number(&self) -> usize {
        match self {
            Self::Visitor(_) => 0,
            Self::User(_) => 1,
            Self::Locked(_) => 2,
        }
    }
}

fn visitor() -> Peer {
    connect(|log| Desk::Visitor(Visitor(log)))
}

async fn user(name: &str) -> Peer {
    let mut peer = visitor();
    peer.check_call("login", &format!(r#"["{name}"]"#), &format!(r#""result":{{"name":"{name}"}}"#)).await;
    peer.expect(&[&format!("enter {name}")]).await;
    peer
}

/// Returns the member of an answer to a call of another state.
fn wrong_state(name: &str, state: &str) -> String {
    let text = format!("method `{name}` is not available in the state `{state}`");
    format!(r#""error":{{"code":-32099,"message":"{text}"}}"#)
}

impl Peer {
    /// Sends a call and checks its answer: the member `result` or `error`.
    #[track_caller]
    fn check_call(&mut self, name: &str, params: &str, expect: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            self.send(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{name}","params":{params}}}"#)).await;
            let expect = format!(r#"{{"jsonrpc":"2.0",{expect},"id":1}}"#);
            assert_eq!(self.text().await, expect, "{caller}");
        }
    }

    async fn notify(&mut self, name: &str, params: &str) {
        self.send(&format!(r#"{{"jsonrpc":"2.0","method":"{name}","params":{params}}}"#)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn call_leads_to_a_state() {
    let mut peer = visitor();
    peer.check_call("login", r#"["nobody"]"#, r#""error":{"code":-32000,"message":"unknown name"}"#).await;
    peer.check_call("status", "[]", r#""result":"visitor""#).await;
    peer.check_call("login", r#"["alice"]"#, r#""result":{"name":"alice"}"#).await;
    peer.expect(&["enter alice"]).await;
    peer.check_call("status", r#"["I am"]"#, r#""result":["I am alice",0]"#).await;
    peer.check_call("logout", "[]", r#""result":null"#).await;
    peer.check_call("login.slow", r#"["nobody"]"#, r#""error":{"code":-32000,"message":"unknown name"}"#)
        .await;
    peer.check_call("login.slow", r#"["slow"]"#, r#""result":0"#).await;
    peer.expect(&["enter slow"]).await;
}

#[tokio::test(start_paused = true)]
async fn name_of_two_states_has_the_method_of_each() {
    let mut peer = visitor();
    peer.check_call("status", "[]", r#""result":"visitor""#).await;
    let text = "invalid parameters: more than 0 parameters at line 1 column 5";
    peer.check_call("status", r#"["a"]"#, &format!(r#""error":{{"code":-32602,"message":"{text}"}}"#)).await;
    peer.notify("note", r#"["one"]"#).await;
    assert_eq!(peer.event().await, "note one");
    let mut peer = user("alice").await;
    peer.check_call("status", r#"{"n":3,"prefix":"\u0049"}"#, r#""result":["I alice",3]"#).await;
    let text = "parameter `prefix` is missing";
    peer.check_call("status", "[]", &format!(r#""error":{{"code":-32602,"message":"{text}"}}"#)).await;
    peer.notify("note", "[2]").await;
    peer.expect(&["note 2 of alice"]).await;
    peer.notify("note", r#"["two"]"#).await;
    assert!(peer.text().await.starts_with("payload does not decode: invalid parameters: parameter `number`"));
}

#[tokio::test(start_paused = true)]
async fn name_of_another_state_is_refused() {
    let mut peer = visitor();
    peer.check_call("logout", "[]", &wrong_state("logout", "Visitor")).await;
    // The parameters are not read.
    peer.check_call("lock", "[1,2,3]", &wrong_state("lock", "Visitor")).await;
    peer.check_call("none", "[]", r#""error":{"code":-32601,"message":"method `none` not found"}"#).await;
    // A message has no answer, and no effect.
    for name in ["logout", "lock", "none"] {
        peer.notify(name, "[]").await;
    }
    peer.check_call("login", r#"["alice"]"#, r#""result":{"name":"alice"}"#).await;
    peer.expect(&["enter alice"]).await;
    peer.check_call("login", r#"["bob"]"#, &wrong_state("login", "User")).await;
    peer.check_call("login.slow", r#"["bob"]"#, &wrong_state("login.slow", "User")).await;
    // An `#[on_message]` of another state.
    peer.check_call("enter", r#"["bob"]"#, &wrong_state("enter", "User")).await;
    peer.notify("enter", r#"["bob"]"#).await;
    peer.check_call("lock", "[true]", r#""result":null"#).await;
    peer.check_call("status", "[]", &wrong_state("status", "Locked")).await;
    // An `#[on_message]` of the state that it is called in.
    let mut peer = visitor();
    let text = "method `enter` takes messages without an answer: send it without an id";
    peer.check_call("enter", r#"["bob"]"#, &format!(r#""error":{{"code":-32601,"message":"{text}"}}"#)).await;
}

#[tokio::test(start_paused = true)]
async fn ignored_state_has_no_method() {
    let mut peer = visitor();
    peer.notify("shout", "[]").await;
    peer.check_call("number", "[]", r#""result":0"#).await;
    let mut peer = user("alice").await;
    peer.notify("shout", "[]").await;
    peer.expect(&["shout in 1"]).await;
    peer.check_call("number", "[]", r#""result":1"#).await;
    peer.check_call("lock", "[true]", r#""result":null"#).await;
    peer.notify("shout", "[]").await;
    peer.notify("number", "[]").await;
    peer.check_call("number", "[]", &wrong_state("number", "Locked")).await;
    peer.check_call("shout", "[]", &wrong_state("shout", "Locked")).await;
}

#[tokio::test(start_paused = true)]
async fn goto_is_an_answer_in_each_form() {
    let mut peer = user("alice").await;
    peer.check_call("lock", "[false]", r#""result":null"#).await;
    peer.check_call("leave", r#"["nowhere"]"#, r#""result":7"#).await;
    peer.check_call("number", "[]", r#""result":1"#).await;
    peer.check_call("leave", r#"["locked"]"#, r#""result":7"#).await;
    peer.check_call("unlock", "[]", r#""result":null"#).await;
    peer.check_call("number", "[]", r#""result":0"#).await;
    // Without an answer.
    peer.notify("login", r#"["bob"]"#).await;
    peer.expect(&["enter bob"]).await;
    peer.check_call("leave", r#"["visitor"]"#, r#""result":7"#).await;
    peer.notify("enter", r#"["nobody"]"#).await;
    peer.notify("enter", r#"["carol"]"#).await;
    peer.expect(&["entered", "entered", "enter carol"]).await;
    peer.notify("logout", "[]").await;
    peer.check_call("number", "[]", r#""result":0"#).await;
}

/// The client learns of an error, and the handler stays where the client supposes it to be.
#[tokio::test(start_paused = true)]
async fn result_that_does_not_serialize_leads_nowhere() {
    let mut peer = visitor();
    let text = "the result does not serialize";
    let error = format!(r#""error":{{"code":-32603,"message":"{text}"}}"#);
    peer.check_call("login.broken", "[]", &error).await;
    peer.check_call("status", "[]", r#""result":"visitor""#).await;
    peer.send(r#"[{"jsonrpc":"2.0","id":1,"method":"login.broken"}]"#).await;
    assert_eq!(peer.text().await, format!(r#"[{{"jsonrpc":"2.0",{error},"id":1}}]"#));
    peer.check_call("status", "[]", r#""result":"visitor""#).await;
}

#[tokio::test(start_paused = true)]
async fn deferred_answers_of_a_state_that_was_left_are_sent() {
    let mut peer = visitor();
    peer.send(r#"{"jsonrpc":"2.0","id":"late","method":"later","params":[3]}"#).await;
    peer.send(r#"{"jsonrpc":"2.0","id":"login","method":"login.later","params":["alice"]}"#).await;
    peer.check_call("status", "[]", r#""result":"visitor""#).await;
    // Beyond `max_deferred`, so that nothing leads to another state.
    let text = "too many calls of this connection are under way";
    let error = format!(r#""error":{{"code":-32603,"message":"{text}"}}"#);
    peer.check_call("login.later", r#"["bob"]"#, &error).await;
    peer.expect(&[r#"{"jsonrpc":"2.0","result":5,"id":"login"}"#, "enter alice"]).await;
    peer.check_call("later", "[3]", &wrong_state("later", "User")).await;
    peer.expect(&[r#"{"jsonrpc":"2.0","result":3,"id":"late"}"#]).await;

    let mut peer = visitor();
    peer.check_call("login.later", r#"["nobody"]"#, r#""error":{"code":-32000,"message":"unknown name"}"#)
        .await;
    peer.check_call("status", "[]", r#""result":"visitor""#).await;
}

/// A state with a type parameter, whose events are messages alone.
#[websocket(envelope = Tagged, idle_timeout = none, ping_interval = none)]
enum Door<T> {
    Open(Open),
    Closed(Closed<T>),
}

struct Open;

struct Closed<T>(T);

#[websocket]
impl<T: serde::Serialize + Default> Door<T> {
    #[on_message]
    fn close(_: &mut Open) -> (Message, Goto<Closed<T>>) {
        (Message::from("closes"), Goto(Closed(T::default())))
    }

    #[on_call]
    fn knock(closed: &mut Closed<T>) -> (&T, Goto<Open>) {
        (&closed.0, Goto(Open))
    }
}

#[tokio::test(start_paused = true)]
async fn tagged_messages_go_to_their_states() {
    let mut peer = connect(|_| Door::<u8>::Open(Open));
    peer.send(r#"{"type":"knock","id":1}"#).await;
    let text = "method `knock` is not available in the state `Open`";
    peer.expect(&[&format!(r#"{{"id":1,"error":{{"code":-32099,"message":"{text}"}}}}"#)]).await;
    peer.send(r#"{"type":"knock"}"#).await;
    peer.send(r#"{"type":"close"}"#).await;
    peer.expect(&["closes"]).await;
    peer.send(r#"{"type":"close"}"#).await;
    peer.send(r#"{"type":"close","id":2}"#).await;
    let text = "method `close` is not available in the state `Closed<T>`";
    peer.expect(&[&format!(r#"{{"id":2,"error":{{"code":-32099,"message":"{text}"}}}}"#)]).await;
    peer.send(r#"{"type":"knock","id":3}"#).await;
    peer.expect(&[r#"{"id":3,"result":0}"#]).await;
    peer.send(r#"{"type":"close"}"#).await;
    peer.expect(&["closes"]).await;
}
