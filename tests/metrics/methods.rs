//! The names of methods as labels.

use ws_core::prelude::*;
use ws_core::test::TestClient;
use ws_core::{Handler, JsonRpc, private};

use super::{snapshotter, values};

/// A handler with methods of many kinds.
#[websocket(envelope = JsonRpc)]
#[derive(Default)]
struct Named;

#[websocket]
impl Named {
    #[on_open]
    async fn opened(&mut self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    #[on_call]
    fn add(&mut self, a: u32, b: u32) -> u32 {
        a + b
    }

    #[on_call("slow.add")]
    async fn add_later(&mut self, a: u32, b: u32) -> u32 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        a + b
    }

    #[on_message("chat.said")]
    fn said(&mut self, text: &str) {
        assert_eq!(text, "hello");
    }

    #[on_binary]
    fn r#type(&mut self, _: &[u8]) {}

    #[on_info]
    fn number(&mut self, _: u32) {}

    #[on_info]
    fn letter(&mut self, _: char) {}

    #[every(1s)]
    fn tick(&mut self) {}

    #[on_close]
    async fn closed(&mut self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Returns the values of the label `method` that a histogram has for a handler.
fn methods(name: &str, handler: &str) -> Vec<String> {
    let prefix = format!("websocket_method_{name}_seconds handler=metrics::methods::{handler} method=");
    values().into_keys().filter_map(|key| Some(key.strip_prefix(&prefix)?.to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn times_are_labelled_with_the_names_of_methods() {
    snapshotter();
    let mut client = TestClient::open(Named).await;
    let add = r#"{"jsonrpc":"2.0","method":"add","params":[1,2],"id":1}"#;
    let said = r#"{"jsonrpc":"2.0","method":"chat.said","params":["hello"]}"#;
    // One call in 64 is measured.
    for _ in 0..64 {
        client.send(said).await;
    }
    for _ in 0..64 {
        client.send(vec![0]).await;
    }
    for _ in 0..64 {
        client.info(7_u32).await;
    }
    for _ in 0..64 {
        client.info('x').await;
    }
    client.advance(Duration::from_secs(70)).await;
    assert_eq!(methods("duration", "Named"), ["letter", "number", "said", "tick", "type"]);

    // The methods of a batch are measured one by one, also behind an async one.
    client.send(format!("[{}]", [add; 64].join(","))).await;
    assert!(client.text().await.contains(r#""result":3"#));
    let names = ["add", "letter", "number", "said", "tick", "type"];
    assert_eq!(methods("duration", "Named"), names);
    let later = add.replace("add", "slow.add");
    client.send(format!("[{said},{later},{}]", [said; 64].join(","))).await;
    client.advance(Duration::from_secs(1)).await;
    assert!(client.text().await.contains(r#""result":3"#));
    client.close(1000).await;
    client.close_reason().await;
    assert_eq!(methods("duration", "Named"), names);
    assert_eq!(methods("pending", "Named"), ["add_later", "closed", "opened"]);
}

#[websocket]
#[derive(Default)]
struct Texts;

#[websocket]
impl Texts {
    #[on_text]
    fn other(&mut self, _: &str) {}
}

/// A handler whose `Handler` is written by hand, so that no method has a name.
#[websocket]
struct ByHand;

impl Handler for ByHand {
    const CHECKED_DECLARATION: private::Declaration = private::declaration::<Self>();
    type Info = std::convert::Infallible;
    type Call = std::convert::Infallible;
    type Upgrade = private::DefaultUpgrade;

    fn event(
        &mut self,
        _: private::Event<'_, Self::Info>,
        _: &mut Context<Self>,
    ) -> private::EventOutcome<Self::Call> {
        private::EventOutcome::Done
    }
}

#[tokio::test(start_paused = true)]
async fn handler_by_hand_has_the_attributes_as_labels() {
    snapshotter();
    let mut client = TestClient::open(Texts).await;
    let mut by_hand = TestClient::open(ByHand).await;
    for _ in 0..64 {
        client.send("text").await;
    }
    for _ in 0..64 {
        by_hand.send("text").await;
    }
    by_hand.close(1000).await;
    by_hand.close_reason().await;
    client.close(1000).await;
    client.close_reason().await;
    assert_eq!(methods("duration", "Texts"), ["other"]);
    assert_eq!(methods("duration", "ByHand"), ["on_text"]);
}
