//! The Rust snippets of the README, in context. A snippet is a part of this file, line for line except for
//! indentation; `snippets_of_the_readme_are_compiled` compares them.

use std::fs;
use std::path::Path;

#[allow(dead_code)]
mod hello {
    use ws_core::prelude::*;

    #[websocket(path = "/websocket", bullet)]
    #[derive(Default)]
    struct MyHandler;

    struct Say(&'static str);

    #[websocket]
    impl MyHandler {
        #[on_open]
        fn open(&mut self, cx: &mut Context<Self>) {
            cx.send_after(Duration::from_secs(1), Say("Hello!"));
        }

        #[on_text]
        fn echo(&mut self, text: &str) -> String {
            format!("That's what she said! {text}")
        }

        #[on_info]
        fn say(&mut self, Say(what): Say, cx: &mut Context<Self>) -> &'static str {
            cx.send_after(Duration::from_secs(1), Say("How' you doin'?"));
            what
        }
    }

    #[tokio::main]
    async fn main() -> ws_core::Result<()> {
        Router::new().mount::<MyHandler>().serve("127.0.0.1:8080").await
    }

    #[tokio::test]
    async fn greets_after_a_second() {
        use ws_core::test::TestClient;

        let mut client = TestClient::open(MyHandler).await;
        client.advance(Duration::from_secs(1)).await;
        assert_eq!(client.text().await, "Hello!");
    }
}

mod topics {
    use ws_core::prelude::*;
    use ws_core::test::TestClient;

    #[websocket]
    struct Guest {
        room: Topic<String>,
        name: String,
        since: Since,
    }

    #[websocket]
    impl Guest {
        #[on_open]
        async fn open(&mut self, cx: &mut Context<Self>) -> Result<(), ws_core::BrokerError> {
            cx.subscribe_from(&self.room, self.since).await; // a position, the last 50, everything, or only new messages
            cx.join(&self.room, &self.name).await?;
            cx.watch(&self.room).await?; // members join and leave: an `#[on_info]` for `Presence`
            Ok(())
        }

        #[on_info]
        fn line(&mut self, line: Published<String>) -> String {
            line.value().to_string()
        }

        #[on_info]
        fn presence(&mut self, presence: Presence) -> Option<String> {
            match presence {
                Presence::Joined(member) => Some(member.name.to_string()),
                Presence::Left(_) => None,
            }
        }
    }

    #[tokio::test]
    async fn recovers_and_reports_members() {
        let room = Hub::local().topic::<String>("lobby").history(256);
        room.publish("before".to_owned()).unwrap();
        let guest = Guest { room, name: "anna".to_owned(), since: Since::Beginning };
        let mut client = TestClient::open(guest).await;
        assert_eq!((client.text().await, client.text().await), ("before".into(), "anna".into()));
    }
}

#[allow(dead_code)]
mod sessions {
    use ws_core::prelude::*;

    #[websocket(path = "/chat", session(resume = 30s))] // In the page: `new SessionSocket("/chat")`.
    #[derive(Default)]
    struct Chat;

    #[websocket]
    impl Chat {
        #[on_attach]
        fn back(&mut self) {}
    }
}

#[allow(dead_code)]
mod options {
    use ws_core::prelude::*;

    #[websocket(path = "/feed", max_message_size = 64KiB, mailbox = 256, outbox_limit = 1MiB, overflow = drop_oldest)]
    struct Feed;

    #[websocket]
    impl Feed {
        #[on_close]
        fn close(&mut self, _: &CloseReason) {}
    }

    #[websocket(path = "/ticks", compress(level = 3, server_no_context_takeover, client_no_context_takeover))]
    struct Ticks;

    #[websocket]
    impl Ticks {
        #[on_text]
        fn text(&mut self, _: &str) {}
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns the code blocks of a Markdown file that begin with this fence.
fn blocks<'a>(markdown: &'a str, fence: &str) -> Vec<&'a str> {
    let begin = format!("\n```{fence}\n");
    markdown.split(&begin).skip(1).map(|block| block.split("\n```").next().unwrap()).collect()
}

fn without_indentation(code: &str) -> String {
    code.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

#[test]
fn snippets_of_the_readme_are_compiled() {
    let readme = read("../README.md");
    let compiled = without_indentation(include_str!("readme.rs"));
    let snippets = blocks(&readme, "rust");
    assert_eq!(snippets.len(), 6);
    assert_eq!(readme.matches("```rust").count(), snippets.len(), "a fence with other words than `rust`");
    for snippet in snippets {
        assert!(compiled.contains(&without_indentation(snippet)), "not in tests/guide/readme.rs:\n{snippet}");
    }
}

/// Returns the value of a line `key = "value"`.
fn setting(toml: &str, key: &str) -> String {
    let line = toml.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap();
    line.trim_matches('"').to_owned()
}

#[test]
fn compilers_of_the_readme_are_the_pinned_ones() {
    let readme = read("../README.md");
    let pinned = setting(&read("../rust-toolchain.toml"), "channel");
    let minimum = setting(&read("../Cargo.toml"), "rust-version");
    assert!(readme.contains(&format!("`rust-toolchain.toml` pins, {pinned}.")), "{pinned}");
    assert!(readme.contains(&format!("Rust version is {minimum}; ")), "{minimum}");
    assert!(readme.contains(&format!("is built with {pinned}.")), "{pinned}");
}

#[test]
fn compile_errors_of_the_readme_are_real() {
    let expected = read("ui/fail/option/misspelt.stderr");
    for block in blocks(&read("../README.md"), "text") {
        assert!(expected.starts_with(block), "not what the compiler prints:\n{block}");
    }
}

#[test]
fn example_hello_has_the_handler_of_the_readme() {
    let readme = read("../README.md");
    let handler = blocks(&readme, "rust")[0].split("#[tokio::main]").next().unwrap();
    let example = read("../examples/hello.rs");
    assert!(example.contains(handler), "examples/hello.rs differs from the README");
}
