//! Topics of one process, whose values have no codec.

use super::*;

/// A value with neither serde nor `Clone`.
struct Opaque(Box<dyn Fn() -> String + Send + Sync>);

#[websocket]
struct Reader(Topic<Opaque>);

#[websocket]
impl Reader {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe_from(&self.0, Since::Beginning).await;
        cx.join(&self.0, "anna").await.unwrap();
    }
    #[on_text]
    fn forward(&mut self, text: &str, cx: &mut Context<Self>) {
        match text {
            "forward" => _ = cx.forward(&self.0),
            _ => drop(cx.forward_from(&self.0, Since::Beginning)),
        }
    }
    #[on_info]
    fn value(&mut self, value: Arc<Opaque>) -> String {
        value.0()
    }
    #[on_error]
    fn error(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }
}

#[tokio::test]
async fn values_without_a_codec_reach_handlers_and_are_not_forwarded() {
    let topic = Hub::local().local_topic("opaque").history(4);
    topic.publish(Opaque(Box::new(|| "stored".into()))).unwrap();
    let mut client = TestClient::open(Reader(topic.clone())).await;
    topic.publish(Opaque(Box::new(|| "new".into()))).unwrap();
    assert_eq!((client.text().await, client.text().await), ("stored".into(), "new".into()));
    assert_eq!(topic.members().await.len(), 1);
    for command in ["forward", "forward from"] {
        client.send(command).await;
        assert_eq!(client.text().await, PublishError::NoCodec.to_string());
    }
    assert_eq!(topic.subscribers(), 1);
    topic.publish(Opaque(Box::new(|| "after the error".into()))).unwrap();
    texts(client, &["after the error"]).await;
}

#[tokio::test]
async fn local_topic_is_another_one_than_a_topic_of_its_name() {
    let hub = Hub::local();
    let (local, same) = (hub.local_topic::<u32>("numbers").history(4), hub.local_topic::<u32>("numbers"));
    let shared = hub.topic::<u32>("numbers");
    local.publish(1).unwrap();
    assert_eq!(same.position().await.map(|position| position.offset), Some(1));
    assert_eq!(shared.position().await, None);
    assert_eq!(hub.len(), 2);
    hub.close().await.unwrap();
    assert!(matches!(local.publish(2), Err(PublishError::Closed)));
}
