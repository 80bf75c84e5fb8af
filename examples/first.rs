//! A first handler with its test, which the guide's first chapter shows.
//!
//! Run it with `cargo run --example first` and open <http://127.0.0.1:8080>, or connect any client to
//! `ws://127.0.0.1:8080/counter`. Run its test with `cargo test -p examples --example first`. The first
//! argument is another address to listen on.

mod page;

use ws_core::prelude::*;

/// Counter of text messages, which reports the count every ten seconds.
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
    println!("listening on http://{addr}, WebSocket at ws://{addr}/counter");
    Router::new().mount::<Counter>().fallback(PAGE.app()).serve(addr).await
}

const PAGE: page::Page = page::Page {
    name: "first",
    about: "A handler with one field, one method for text and one timer. Send some messages: every ten \
            seconds the server reports how many arrived on this connection.",
    source: include_str!("first.rs"),
    targets: &["/counter"],
    messages: &["one", "two"],
};

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
