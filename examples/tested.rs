//! A handler with its tests: a rate limit, in virtual time.
//!
//! Run it with `cargo run --example tested`, its tests with `cargo test -p examples --example tested`.
//! It listens on 127.0.0.1:8080, or on its first argument.

use ws_core::prelude::*;

/// Messages that a client may send in ten seconds.
const LIMIT: u32 = 3;

/// Echoes, but not too much.
#[websocket(path = "/", idle_timeout = 30s)]
#[derive(Default)]
struct Limited {
    sent: u32,
}

#[websocket]
impl Limited {
    #[on_text]
    fn echo(&mut self, text: String) -> (Option<String>, Option<Close>) {
        self.sent += 1;
        if self.sent > LIMIT { (None, Some(too_much())) } else { (Some(text), None) }
    }

    #[every(10s)]
    fn forgive(&mut self) {
        self.sent = 0;
    }
}

fn too_much() -> Close {
    Close::new(CloseCode::Policy, "three messages in ten seconds, please")
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    println!("listening on ws://{addr}/");
    Router::new().mount::<Limited>().serve(addr).await
}

#[cfg(test)]
mod tests {
    use ws_core::test::TestClient;

    use super::*;

    #[tokio::test]
    async fn three_messages_are_echoed_and_the_fourth_closes() {
        let mut client = TestClient::open(Limited::default()).await;
        for text in ["one", "two", "three"] {
            client.send(text).await;
            assert_eq!(client.text().await, text);
        }
        client.send("four").await;
        assert_eq!(client.closed().await, too_much());
        assert_eq!(client.close_reason().await, CloseReason::Stop(too_much()));
    }

    #[tokio::test]
    async fn after_ten_seconds_all_is_forgiven() {
        let mut client = TestClient::open(Limited::default()).await;
        for _ in 0..100 {
            for _ in 0..LIMIT {
                client.send("hello").await;
                assert_eq!(client.text().await, "hello");
            }
            client.advance(Duration::from_secs(10)).await;
        }
        client.expect_nothing().await;
    }

    #[tokio::test]
    async fn silence_is_ended_after_half_a_minute() {
        let mut client = TestClient::open(Limited::default()).await;
        client.advance(Duration::from_secs(29)).await;
        client.expect_nothing().await;
        client.advance(Duration::from_secs(1)).await;
        assert_eq!(client.closed().await.code, CloseCode::Normal);
        assert_eq!(client.close_reason().await, CloseReason::Timeout);
    }
}
