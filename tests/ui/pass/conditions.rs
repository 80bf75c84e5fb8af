//! Methods under `cfg`s: the enabled ones are called.
#![deny(warnings)]
#![allow(dead_code)]

use ws_core::prelude::*;
use ws_core::test::TestClient;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat(&'static str);

#[websocket]
impl Chat {
    #[cfg(any())]
    #[on_upgrade]
    fn first() -> Self {
        Self("first")
    }

    #[cfg(all())]
    #[on_upgrade]
    fn second() -> Self {
        Self("second")
    }

    #[on_open]
    fn open(&mut self) -> &'static str {
        self.0
    }

    #[cfg(any())]
    #[on_text]
    async fn pending(&mut self, _: &str) {}

    #[cfg(not(any()))]
    #[on_text]
    fn fails(&mut self, _: &str) -> Result<(), &'static str> {
        Err("as it should")
    }

    #[cfg(any())]
    #[on_error]
    fn never(&mut self, _: &HandlerError) {}

    #[cfg(not(any()))]
    #[on_error]
    fn handled(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }
}

/// A disabled `#[on_upgrade]` counts as absent.
#[websocket(path = "/")]
#[derive(Default)]
struct Silent;

#[websocket]
impl Silent {
    #[cfg(any())]
    #[on_upgrade]
    fn never() -> Self {
        unreachable!()
    }

    #[on_text]
    fn fails(&mut self, _: &str) -> Result<(), &'static str> {
        Err("as it should")
    }

    #[cfg(any())]
    #[on_error]
    async fn handled(&mut self, _: &HandlerError) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut client = TestClient::<Chat>::upgrade("/").open().await.unwrap();
    assert_eq!(client.text().await, "second");
    client.send("hi").await;
    assert_eq!(client.text().await, "as it should");

    let mut client = TestClient::<Silent>::upgrade("/").open().await.unwrap();
    client.send("hi").await;
    assert_eq!(client.closed().await.code, CloseCode::Error);
}
