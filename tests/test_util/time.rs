//! Virtual time: the clock, the log, and other threads.

use std::time::Duration;

use ws_core::prelude::*;
use ws_core::test::TestClient;

use super::{failure, happened};

/// Handler with a timer at 100 ms and methods that wait.
#[websocket(idle_timeout = none)]
#[derive(Default)]
pub(super) struct Late;

#[derive(Clone, Copy)]
pub(super) struct Say(pub(super) &'static str);

#[websocket]
impl Late {
    #[after(100ms)]
    fn late(&mut self) -> &'static str {
        "late"
    }

    #[on_text]
    async fn text(&mut self, text: &str, cx: &mut Context<Self>) -> Option<String> {
        match text {
            "block" => {
                let sleep = || std::thread::sleep(10 * MS);
                tokio::task::spawn_blocking(sleep).await.unwrap();
                Some("blocked".into())
            }
            "chain" => {
                let (first, mut last) = tokio::sync::mpsc::channel(1);
                for _ in 0..200 {
                    let (next, end) = tokio::sync::mpsc::channel::<u32>(1);
                    let mut before = std::mem::replace(&mut last, end);
                    tokio::spawn(async move {
                        let count = before.recv().await.unwrap();
                        tokio::task::yield_now().await;
                        next.send(count + 1).await.unwrap();
                    });
                }
                first.send(0).await.unwrap();
                Some(last.recv().await.unwrap().to_string())
            }
            "sleep" => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some("slept".into())
            }
            "much" => {
                cx.send(vec![0; 512 << 10]);
                tokio::time::sleep(MS).await;
                Some(cx.buffered().to_string())
            }
            _ => None,
        }
    }

    #[on_info]
    fn say(&mut self, Say(what): Say) -> Option<Message> {
        match what {
            "" => None,
            "ping" => Some(Ping::default().into()),
            text => Some(text.into()),
        }
    }
}

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn only_advance_moves_time() {
    let mut client = TestClient::open(Late).await;
    let start = tokio::time::Instant::now();
    let mut other = TestClient::open(Late).await;
    client.ping("p").await;
    client.ponged().await;
    client.send("nothing").await;
    client.info(Say("hey")).await;
    client.text().await;
    client.expect_nothing().await;
    assert!(client.next().await.is_none());
    other.close(1000).await;
    other.closed().await;
    other.close_reason().await;
    TestClient::open(Late).await.abort().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    failure(async {
        TestClient::open(Late).await.text().await;
    })
    .await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn time_is_exact() {
    // Start times include moments between two ticks of the runtime's timers.
    for (fraction, steps) in [(0, 99), (1, 33), (123_456, 198), (500_000, 1), (999_999, 9)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_nanos(fraction)).await;
        let mut client = TestClient::open(Late).await;
        client.send("sleep").await;
        let start = tokio::time::Instant::now();
        for _ in 0..steps {
            client.advance(MS * 99 / steps).await;
        }
        assert_eq!(start.elapsed(), 99 * MS);
        assert_eq!(client.text().await, "slept");
        client.ping("a look at what is due").await;
        client.ponged().await;
        client.expect_nothing().await;
        assert!(format!("{client:?}").contains(" 50ms  handler sent text \"slept\"\n"), "{client:?}");
        client.advance(MS).await;
        assert_eq!(start.elapsed(), 100 * MS);
        assert_eq!(client.text().await, "late");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn clients_of_a_test_share_a_clock() {
    let (mut one, mut other) = (TestClient::open(Late).await, TestClient::open(Late).await);
    for _ in 0..45 {
        one.advance(MS / 10).await;
        other.advance(MS / 10 + MS).await;
    }
    one.advance(45 * MS).await;
    one.expect_nothing().await;
    other.expect_nothing().await;
    one.advance(MS).await;
    assert_eq!((one.text().await, other.text().await), ("late".into(), "late".into()));
}

#[tokio::test]
async fn log_contains_unread_messages_with_their_time() {
    let (mut one, other) = (TestClient::open(Late).await, TestClient::open(Late).await);
    one.send("sleep").await;
    let addr = other.addr();
    tokio::spawn(async move {
        tokio::time::sleep(20 * MS).await;
        addr.send(Say("early")).unwrap();
    });
    one.advance(MS * 200).await;
    let expect = ["0ns  opened", "20ms  handler sent text \"early\"", "100ms  handler sent text \"late\""];
    assert_eq!(happened(&format!("{other:?}")), expect);
    let expect = [
        "0ns  opened",
        "0ns  client sent text \"sleep\"",
        "0ns  200ms pass",
        "50ms  handler sent text \"slept\"",
        "100ms  handler sent text \"late\"",
    ];
    assert_eq!(happened(&format!("{one:?}")), expect);
    assert_eq!((one.text().await, one.text().await), ("slept".into(), "late".into()));
    assert_eq!(happened(&format!("{one:?}")), expect, "reading is no event");
}

#[tokio::test]
async fn waits_for_other_threads_and_long_task_chains() {
    let mut client = TestClient::open(Late).await;
    client.send("block").await;
    assert_eq!(client.text().await, "blocked");
    client.send("block").await;
    client.advance(MS).await;
    assert_eq!(client.next().await, Some(Message::text("blocked")));
    client.send("chain").await;
    assert!(format!("{client:?}").ends_with("handler sent text \"200\"\n"), "{client:?}");
}

#[tokio::test]
async fn unread_client_buffers_a_quarter_of_a_mebibyte() {
    let mut client = TestClient::open(Late).await;
    client.send("much").await;
    client.advance(MS).await;
    assert_eq!(client.binary().await.len(), 512 << 10);
    let waited: usize = client.text().await.parse().unwrap();
    let took = (512 << 10) - waited;
    assert!((250 << 10..=256 << 10).contains(&took), "{took}");
}

/// Handler with the default options.
#[websocket]
#[derive(Default)]
struct Listened;

#[websocket]
impl Listened {
    #[every(60s)]
    fn tick(&mut self) -> &'static str {
        "tick"
    }
}

#[tokio::test]
async fn client_answers_the_pings_of_the_defaults() {
    let mut client = TestClient::open(Listened).await;
    client.advance(Duration::from_secs(600)).await;
    for _ in 0..10 {
        assert_eq!(client.text().await, "tick");
    }
    client.expect_nothing().await;
    let log = format!("{client:?}");
    assert_eq!(log.matches("client sent the pong").count(), 24, "{log}");
}
