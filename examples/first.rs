//! A first handler with its test, as the README shows it.
//!
//! Run it with `cargo run --example first` and connect to `ws://127.0.0.1:8080/counter`; its test
//! with `cargo test -p examples --example first`. Another address is its first argument.

use ws_core::prelude::*;

/// Counts what it hears, and says so every ten seconds.
#[websocket(path = "/counter")]
#[derive(Default)]
struct Counter(u64);

#[websocket]
impl Counter {
    #[on_text]
    fn count(&mut self, _: &str) {
        self.0 += 1;
    }

    #[every(10s)]
    fn report(&mut self) -> String {
        format!("{} so far", self.0)
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    Router::new().mount::<Counter>().serve(addr).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_core::test::TestClient;

    #[tokio::test]
    async fn counts() {
        let mut client = TestClient::open(Counter::default()).await;
        client.send("one").await;
        client.send("two").await;
        client.expect_nothing().await;
        client.advance(Duration::from_secs(10)).await;
        assert_eq!(client.text().await, "2 so far");
        client.close(1000).await;
        assert!(matches!(client.close_reason().await, CloseReason::Remote(_)));
    }
}
