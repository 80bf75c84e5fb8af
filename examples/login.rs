//! States: each connection begins as a guest, who has to log in within ten seconds, and becomes a member.
//!
//! Run it with `cargo run --example login` and open <http://127.0.0.1:8080>, or connect any client to
//! `ws://127.0.0.1:8080/login`. The password is `wonderland`. The first argument is another address to listen
//! on.

mod page;

use ws_core::prelude::*;

#[websocket(path = "/login")]
enum Session {
    Guest(Guest),
    Member(Member),
}

#[derive(Default)]
struct Guest {
    attempts: u32,
}

struct Member {
    name: String,
    lines: u32,
}

#[derive(serde::Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
struct Login {
    name: String,
    password: String,
}

// With the feature `contract`, what the handler takes and sends is kept in `contract/login.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(
    feature = "contract",
    websocket(contract(closes = [(4401, "log in first"), (4403, "three wrong passwords")]))
)]
impl Session {
    #[on_upgrade]
    fn join() -> Guest {
        Guest::default()
    }

    #[on_enter]
    fn ask(_: &mut Guest) -> &'static str {
        "who are you?"
    }

    /// Three attempts, with any text that is not a login among them.
    #[on_text]
    fn login(
        guest: &mut Guest,
        login: Result<Json<Login>, DecodeError>,
    ) -> Result<(Option<&'static str>, Option<Goto<Member>>), Close> {
        guest.attempts += 1;
        match login {
            Ok(Json(Login { name, password })) if password == "wonderland" => {
                Ok((None, Some(Goto(Member { name, lines: 0 }))))
            }
            _ if guest.attempts < 3 => Ok((Some("wrong, try again"), None)),
            _ => Err(Close::new(4403, "three wrong passwords")),
        }
    }

    #[after(10s)]
    fn too_late(_: &mut Guest) -> Close {
        Close::new(4401, "log in first")
    }

    #[on_enter]
    fn welcome(member: &mut Member) -> String {
        format!("welcome, {}", member.name)
    }

    #[on_text]
    fn said(member: &mut Member, text: &str) -> (String, Option<Goto<Guest>>) {
        member.lines += 1;
        (format!("{}: {text}", member.name), (text == "bye").then(|| Goto(Guest::default())))
    }

    #[every(30s)]
    fn remind(member: &mut Member) -> String {
        format!("{}, you have said {} lines", member.name, member.lines)
    }

    #[on_leave]
    fn goodbye(member: &mut Member) -> String {
        format!("goodbye, {}", member.name)
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    println!("listening on http://{addr}, WebSocket at ws://{addr}/login");
    let router = Router::new().mount::<Session>();
    // `cargo run --example login --features contract` has its documentation at `/docs`, with a console.
    #[cfg(feature = "contract")]
    let router = router.docs_with("/docs", |document| document.title("Login"));
    router.fallback(PAGE.app()).serve(addr).await
}

const PAGE: page::Page = page::Page {
    name: "login",
    about: "Each variant of the <code>enum</code> is a state, with methods and timers of its own. A guest has \
            ten seconds and three attempts; <code>bye</code> logs out.",
    source: include_str!("login.rs"),
    targets: &["/login"],
    messages: &[r#"{"name": "alice", "password": "wonderland"}"#, "hello", "bye"],
};

#[cfg(test)]
mod tests {
    use ws_core::test::TestClient;

    use super::*;

    const LOGIN: &str = r#"{"name": "alice", "password": "wonderland"}"#;

    async fn guest() -> TestClient<Session> {
        let mut client = TestClient::<Session>::upgrade("/login").open().await.unwrap();
        assert_eq!(client.text().await, "who are you?");
        client
    }

    #[tokio::test]
    async fn member_says_something_and_leaves() {
        let mut client = guest().await;
        client.send(LOGIN).await;
        assert_eq!(client.text().await, "welcome, alice");
        client.send("bye").await;
        assert_eq!(client.text().await, "alice: bye");
        assert_eq!(client.text().await, "goodbye, alice");
        assert_eq!(client.text().await, "who are you?");
    }

    #[tokio::test]
    async fn timers_belong_to_their_states() {
        let mut client = guest().await;
        client.advance(Duration::from_secs(9)).await;
        client.send(LOGIN).await;
        assert_eq!(client.text().await, "welcome, alice");
        client.advance(Duration::from_secs(30)).await;
        assert_eq!(client.text().await, "alice, you have said 0 lines");
    }

    #[tokio::test]
    async fn guest_has_ten_seconds_and_three_attempts() {
        let mut client = guest().await;
        client.send("hello").await;
        client.send("hello").await;
        assert_eq!(client.state(|guest: &Guest| guest.attempts).await, 2);
        for _ in 0..2 {
            assert_eq!(client.text().await, "wrong, try again");
        }
        client.send("hello").await;
        assert_eq!(client.closed().await.code, CloseCode::Library(4403));

        let mut client = guest().await;
        client.advance(Duration::from_secs(10)).await;
        assert_eq!(client.closed().await.code, CloseCode::Library(4401));
    }

    #[cfg(feature = "contract")]
    #[test]
    fn contract_is_kept() {
        ws_core::contract::check("contract/login.json", &Router::new().mount::<Session>());
    }
}
