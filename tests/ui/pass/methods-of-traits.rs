//! Generated code calls the inherent method, even if a trait in scope has a method of that name.
#![deny(warnings)]
#![allow(dead_code)]

use ws_core::prelude::*;
use ws_core::test::TestClient;

trait Everything {
    fn said(&self, _: &str) -> &'static str;
    fn event(&mut self) -> u8;
    fn join() -> u8;
}

impl<T> Everything for T {
    fn said(&self, _: &str) -> &'static str {
        "wrong"
    }

    fn event(&mut self) -> u8 {
        0
    }

    fn join() -> u8 {
        0
    }
}

#[websocket(path = "/")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join() -> Self {
        Self
    }

    #[on_text]
    fn said(&self, _: &str) -> &'static str {
        "right"
    }

    #[on_binary]
    async fn event(self: &mut Self, _: &[u8]) -> &'static str {
        "right"
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut client = TestClient::<Chat>::upgrade("/").open().await.unwrap();
    client.send("hi").await;
    assert_eq!(client.text().await, "right");
    client.send(vec![1]).await;
    assert_eq!(client.text().await, "right");
}
