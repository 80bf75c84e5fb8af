//! Calls beside a message in parts.

use super::*;

/// A handler that sends a message in two parts, a second apart.
#[websocket(envelope = Tagged)]
#[derive(Default)]
struct PartSender;

#[websocket]
impl PartSender {
    #[on_info]
    async fn send(&mut self, _: u8, cx: &mut Context<Self>) -> std::io::Result<()> {
        let mut message = cx.send_parts(MessageKind::Text);
        message.write(b"one, ").await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        message.write(b"two").await?;
        message.finish().await
    }
}

#[tokio::test]
async fn a_call_waits_for_the_end_of_a_message_in_parts() {
    let mut client = TestClient::open(PartSender).await;
    client.info(1_u8).await;
    let call = call_from_outside(&client, 7);
    client.advance(Duration::from_millis(500)).await;
    client.expect_nothing().await;
    client.advance(Duration::from_millis(500)).await;
    assert_eq!(client.text().await, "one, two");
    assert_eq!(client.text().await, r#"{"type":"double","id":1,"n":7}"#);
    client.send(r#"{"id":1,"result":14}"#).await;
    assert_eq!(call.await.unwrap().unwrap(), 14);
}
