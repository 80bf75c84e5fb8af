//! Messages to the connections with a tag, over a broker in memory.

use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::Instant;

use super::network::{Answers, MS, hubs};
use super::*;
use crate::{BoxError, Reached, TagError};

/// The message as the sender knows it.
#[derive(Clone, Serialize, Deserialize)]
struct Notice {
    text: String,
}

/// The message of another version of the program, under another name in Rust.
#[derive(Clone, Deserialize)]
struct NoticeV2 {
    text: String,
    #[serde(default)]
    is_urgent: bool,
}

/// A message whose decoding panics on a text.
#[derive(Clone)]
struct Fragile(String);

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Notice { text } = Notice::deserialize(deserializer)?;
        assert_ne!(text, "panic");
        Ok(Self(text))
    }
}

#[websocket(path = "/chat", mailbox = 2)]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    async fn command(&mut self, command: &str, cx: &mut Context<Self>) -> Result<&'static str, TagError> {
        if command == "wait" {
            std::future::pending::<()>().await;
        }
        cx.tag(command)?;
        Ok("welcome")
    }

    #[on_info]
    fn notice(&mut self, notice: Notice) -> String {
        notice.text
    }

    #[on_info]
    fn fragile(&mut self, Fragile(text): Fragile) -> String {
        text
    }
}

/// A handler of another type, which takes the same messages.
#[websocket(path = "/game")]
#[derive(Default)]
struct Game;

#[websocket]
impl Game {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> Result<&'static str, TagError> {
        cx.tag("user:42")?;
        Ok("welcome")
    }

    #[on_info]
    fn notice(&mut self, NoticeV2 { text, is_urgent }: NoticeV2) -> String {
        format!("game: {text} {is_urgent}")
    }
}

fn router(hub: &Hub) -> Router {
    Router::new().mount::<Chat>().mount::<Game>().hub(hub)
}

/// Opens a connection of the chat with a tag.
async fn chat(router: &Router, tag: &str) -> TestClient<Chat> {
    let mut client = TestClient::<Chat>::upgrade("/chat").open_through(router.clone()).await.unwrap();
    client.send(tag).await;
    assert_eq!(client.text().await, "welcome");
    client
}

async fn game(router: &Router) -> TestClient<Game> {
    let mut client = TestClient::<Game>::upgrade("/game").open_through(router.clone()).await.unwrap();
    assert_eq!(client.text().await, "welcome");
    client
}

/// Sends a notice to the user. Returns the numbers of connections and processes.
async fn notify(hub: &Hub, text: &str) -> (usize, usize) {
    let notice = Notice { text: text.to_owned() };
    let Reached { connections, nodes } = hub.tagged("user:42").send("notice", &notice).await.unwrap();
    (connections, nodes)
}

#[tokio::test(start_paused = true)]
async fn message_reaches_the_connections_of_all_processes() {
    let hubs = hubs([Answers::After(10 * MS), Answers::Twice, Answers::After(MS)]);
    let routers = hubs.each_ref().map(router);
    hubs[0].accepts::<Chat, Notice>("notice");
    hubs[1].accepts::<Chat, Notice>("notice");
    hubs[1].accepts::<Game, NoticeV2>("notice");
    // The third process does not know the message.
    hubs[2].accepts::<Chat, Notice>("other");
    let mut chats = [chat(&routers[0], "user:42").await, chat(&routers[1], "user:42").await];
    let (mut game, mut other) = (game(&routers[1]).await, chat(&routers[0], "user:421").await);
    let mut unaware = chat(&routers[2], "user:42").await;
    for sender in &hubs {
        assert_eq!(notify(sender, "you have mail").await, (3, 3));
        for client in &mut chats {
            assert_eq!(client.text().await, "you have mail");
        }
        assert_eq!(game.text().await, "game: you have mail false");
    }
    other.expect_nothing().await;
    unaware.expect_nothing().await;
    // The future need not be awaited.
    drop(hubs[0].tagged("user:42").send("notice", &serde_json::json!({ "text": "now", "is_urgent": true })));
    assert_eq!((chats[0].text().await, chats[1].text().await), ("now".into(), "now".into()));
    assert_eq!(game.text().await, "game: now true");
}

#[tokio::test(start_paused = true)]
async fn full_mailbox_does_not_count() {
    let hub = Hub::local();
    hub.accepts::<Chat, Notice>("notice");
    let router = router(&hub);
    let (mut free, mut busy) = (chat(&router, "user:42").await, chat(&router, "user:42").await);
    busy.send("wait").await;
    for expected in [2, 2, 1] {
        assert_eq!(notify(&hub, "you have mail").await, (expected, 1));
        assert_eq!(free.text().await, "you have mail");
    }
    drop((free, busy));
    tokio::time::sleep(MS).await;
    assert_eq!(notify(&hub, "you have mail").await, (0, 1));
}

#[tokio::test(start_paused = true)]
async fn message_that_does_not_decode_reaches_nobody_and_harms_nothing() {
    let hubs = hubs([Answers::After(MS), Answers::After(MS)]);
    hubs[0].accepts::<Chat, Fragile>("notice");
    hubs[1].accepts::<Chat, Fragile>("notice");
    hubs[1].accepts::<Game, NoticeV2>("notice");
    let routers = hubs.each_ref().map(router);
    let mut chats = [chat(&routers[0], "user:42").await, chat(&routers[1], "user:42").await];
    let mut game = game(&routers[1]).await;
    // A panic in one receiver does not keep the message from the others, nor this process from answering.
    assert_eq!(notify(&hubs[0], "panic").await, (1, 2));
    assert_eq!(game.text().await, "game: panic false");
    let reached = hubs[0].tagged("user:42").send("notice", &42).await.unwrap();
    assert_eq!(reached, Reached { connections: 0, nodes: 2 });
    assert_eq!(notify(&hubs[0], "you have mail").await, (3, 2));
    for client in &mut chats {
        assert_eq!(client.text().await, "you have mail");
    }
    // The later declaration of a handler counts.
    hubs[0].accepts::<Chat, Notice>("notice");
    assert_eq!(notify(&hubs[0], "panic").await, (2, 2));
    assert_eq!(chats[0].text().await, "panic");
}

#[tokio::test(start_paused = true)]
async fn process_that_does_not_know_the_request_is_not_waited_for() {
    let [first, second, old] = hubs([Answers::Never, Answers::After(100 * MS), Answers::Ignore]);
    let _old = router(&old);
    let router = router(&second);
    second.accepts::<Chat, Notice>("notice");
    let mut client = chat(&router, "user:42").await;
    let begin = Instant::now();
    assert_eq!(notify(&first, "you have mail").await, (1, 2));
    assert_eq!(begin.elapsed(), 350 * MS);
    assert_eq!(client.text().await, "you have mail");
}

#[tokio::test(start_paused = true)]
async fn message_beyond_a_bound_is_not_sent() {
    let hubs = hubs([Answers::Never, Answers::After(MS)]);
    let routers = hubs.each_ref().map(router);
    let longest = "x".repeat(128);
    for hub in &hubs {
        hub.accepts::<Chat, Notice>(&longest);
    }
    let mut chats = [chat(&routers[0], "user:42").await, chat(&routers[1], "user:42").await];
    let user = hubs[0].tagged("user:42");
    let notice = |len: usize| Notice { text: "x".repeat(len - r#"{"text":""}"#.len()) };
    let error = user.send(&longest, &notice(65537)).await.unwrap_err();
    assert!(matches!(error, BrokerError::TooLarge { size: 65537, limit: 65536 }), "{error:?}");
    let error = user.send(&"x".repeat(129), &notice(100)).await.unwrap_err();
    assert!(matches!(error, BrokerError::Name { size: 129, limit: 128 }), "{error:?}");
    let error = user.send(&longest, &HashMap::from([((1, 2), 3)])).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot encode the message: key must be a string");
    for client in &mut chats {
        client.expect_nothing().await;
    }
    assert_eq!(user.send(&longest, &notice(65536)).await.unwrap().connections, 2);
    for client in &mut chats {
        assert_eq!(client.text().await, notice(65536).text);
    }
    hubs[0].close().await.unwrap();
    assert!(matches!(user.send(&longest, &notice(100)).await, Err(BrokerError::Closed)));
    chats[0].expect_nothing().await;
}

#[test]
#[should_panic = "the name of a message has up to 128 bytes"]
fn name_beyond_the_bound_is_not_accepted() {
    Hub::local().accepts::<Chat, Notice>(&"x".repeat(129));
}

/// The codec of notices as plain text.
struct Plain;

impl Codec<Notice> for Plain {
    const IS_TEXT: bool = true;

    fn encode(&self, notice: &Notice, out: &mut Vec<u8>) -> Result<(), BoxError> {
        out.extend_from_slice(notice.text.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Notice, BoxError> {
        Ok(Notice { text: std::str::from_utf8(bytes)?.to_owned() })
    }
}

#[tokio::test(start_paused = true)]
async fn codec_of_the_program_is_used() {
    let hubs = hubs([Answers::Never, Answers::After(MS)]);
    let router = router(&hubs[1]);
    hubs[1].accepts_with::<Chat, _>("plain", Plain);
    let mut client = chat(&router, "user:42").await;
    let notice = Notice { text: "you have mail".into() };
    let reached = hubs[0].tagged("user:42").send_with("plain", &notice, Plain).await.unwrap();
    assert_eq!(reached, Reached { connections: 1, nodes: 2 });
    assert_eq!(client.text().await, "you have mail");
}
