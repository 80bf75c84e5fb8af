//! A handler with its tests: a rate limit, in virtual time.
//!
//! Run it with `cargo run --example tested` and its tests with `cargo test -p examples --example tested`.
//! The socket is `ws://127.0.0.1:8080/`. The first argument is another address to listen on.

use ws_core::prelude::*;

/// The number of messages that a client may send in ten seconds.
const LIMIT: u32 = 3;

/// An echo with a rate limit.
#[websocket(path = "/", idle_timeout = 30s, ping_interval = none)]
#[derive(Default)]
struct Limited {
    sent: u32,
}

// With the feature `contract`, what the handler takes and sends is kept in `contract/tested.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(feature = "contract", websocket(contract(closes = [(1008, "three messages in ten seconds, please")])))]
impl Limited {
    #[on_text]
    fn echo(&mut self, text: String) -> (Option<String>, Option<Close>) {
        self.sent += 1;
        if self.sent > LIMIT { (None, Some(limit_exceeded())) } else { (Some(text), None) }
    }

    #[every(10s)]
    fn reset(&mut self) {
        self.sent = 0;
    }
}

fn limit_exceeded() -> Close {
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
    async fn echoes_three_messages_and_closes_at_the_fourth() {
        let mut client = TestClient::open(Limited::default()).await;
        for text in ["one", "two", "three"] {
            client.send(text).await;
            assert_eq!(client.text().await, text);
        }
        client.send("four").await;
        assert_eq!(client.closed().await, limit_exceeded());
        assert_eq!(client.close_reason().await, CloseReason::Stop(limit_exceeded()));
    }

    #[tokio::test]
    async fn count_is_reset_every_ten_seconds() {
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
    async fn closes_after_thirty_seconds_without_a_message() {
        let mut client = TestClient::open(Limited::default()).await;
        client.advance(Duration::from_secs(29)).await;
        client.expect_nothing().await;
        client.advance(Duration::from_secs(1)).await;
        assert_eq!(client.closed().await.code, CloseCode::Away);
        assert_eq!(client.close_reason().await, CloseReason::Timeout);
    }

    #[cfg(feature = "contract")]
    #[test]
    fn contract_is_kept() {
        ws_core::contract::check("contract/tested.json", &Router::new().mount::<Limited>());
    }
}
