//! Closing a hub of one process.

use super::*;
use crate::{BoxError, BrokerError};

/// A member that runs its client's commands, and sends its client all messages and events.
#[websocket]
struct Member(Topic<String>);

#[websocket]
impl Member {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) -> Result<(), BrokerError> {
        cx.subscribe(&self.0).await?;
        cx.watch(&self.0).await?;
        cx.join(&self.0, "anna").await
    }
    #[on_text]
    async fn command(&mut self, text: &str, cx: &mut Context<Self>) -> Result<(), BoxError> {
        match text {
            "subscribe" => {
                assert!(cx.unsubscribe(&self.0));
                assert!(matches!(cx.subscribe(&self.0).await, Err(BrokerError::Closed)));
            }
            "join" => assert!(matches!(cx.join(&self.0, "ben").await, Err(BrokerError::Closed))),
            text => _ = cx.publish_to_others(&self.0, text.to_owned())?,
        }
        Ok(())
    }
    #[on_info]
    fn line(&mut self, line: Arc<String>) -> String {
        line.to_string()
    }
    #[on_info]
    fn presence(&mut self, presence: Presence) -> String {
        match presence {
            Presence::Joined(member) => format!("{} is here", member.name),
            Presence::Left(member) => format!("{} has left", member.name),
        }
    }
    #[on_error]
    fn error(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }
}

#[tokio::test]
async fn closed_hub_rejects_publish_subscribe_and_join() {
    let hub = Hub::local();
    let room = hub.topic::<String>("room").history(4);
    let mut anna = TestClient::open(Member(room.clone())).await;
    assert_eq!(anna.text().await, "anna is here");
    room.publish("before".into()).unwrap();
    assert_eq!(anna.text().await, "before");
    assert!(hub.flush().await.is_ok());
    hub.clone().close().await.unwrap();
    assert_eq!(anna.text().await, "anna has left");
    assert!(room.members().await.is_empty());

    for topic in [&room, &hub.topic::<String>("another")] {
        assert!(matches!(topic.publish("after".into()), Err(PublishError::Closed)));
    }
    for command in ["to others", "subscribe", "join"] {
        anna.send(command).await;
        assert_eq!(anna.text().await, "the hub is closed", "{command}");
        anna.expect_nothing().await;
    }
    assert_eq!(room.subscribers(), 0);
    assert!(matches!(hub.flush().await, Err(BrokerError::Closed)));
    // A second call succeeds as well.
    hub.close().await.unwrap();
}
