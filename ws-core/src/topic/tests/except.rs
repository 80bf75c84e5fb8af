//! Publishing to all subscribers except one connection.

use super::*;

/// A handler that subscribes or forwards on command, so that its address exists before or after that.
#[websocket]
struct Member(Topic<String>);

#[websocket]
impl Member {
    #[on_text]
    fn command(&mut self, text: &str, cx: &mut Context<Self>) {
        match text {
            "subscribe" => _ = cx.subscribe(&self.0),
            _ => _ = cx.forward(&self.0),
        }
    }
    #[on_info]
    fn line(&mut self, line: Arc<String>) -> String {
        line.to_string()
    }
    #[on_info]
    fn direct(&mut self, text: &'static str) -> &'static str {
        text
    }
}

#[tokio::test]
async fn connection_is_left_out_by_address_and_by_recipient() {
    let room = Hub::local().topic::<String>("room");
    let [mut anna, mut ben, mut carl] = [
        TestClient::open(Member(room.clone())).await,
        TestClient::open(Member(room.clone())).await,
        TestClient::open(Member(room.clone())).await,
    ];
    // The address of one exists before its subscription, that of the other after it.
    let anna_addr = anna.addr();
    anna.send("subscribe").await;
    ben.send("forward").await;
    carl.send("subscribe").await;
    assert_eq!(room.subscribers(), 3);
    let ben_addr = ben.addr().recipient::<&'static str>();
    room.publish_except(&anna_addr, "not for anna".into()).unwrap();
    room.publish_except(&ben_addr, "not for ben".into()).unwrap();
    room.publish("for all".into()).unwrap();
    texts(anna, &["not for ben", "for all"]).await;
    texts(ben, &[r#""not for anna""#, r#""for all""#]).await;
    texts(carl, &["not for anna", "not for ben", "for all"]).await;
}

#[tokio::test]
async fn address_of_a_closed_connection_has_no_effect() {
    let room = Hub::local().topic::<String>("room");
    let mut anna = TestClient::open(Member(room.clone())).await;
    let addr = anna.addr();
    anna.send("subscribe").await;
    anna.close(1000).await;
    let mut ben = TestClient::open(Member(room.clone())).await;
    ben.send("subscribe").await;
    assert_eq!(room.subscribers(), 1);
    room.publish_except(&addr, "hello".into()).unwrap();
    texts(ben, &["hello"]).await;
}
