//! What a broker can do to a topic, with one that is made for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Weak, mpsc};

use bytes::Bytes;

use super::*;
use crate::topic::broker::{BoxFuture, Broker, RecoveredMessages, RemoteEvents, RemoteMessage, RemoteTopic};
use crate::{BrokerError, History, Recovery};

/// A broker that brings back what is published, and panics when it is asked for more.
struct Panics;

struct Loop {
    events: Weak<dyn RemoteEvents>,
    subscription_generation: AtomicU64,
}

impl Broker for Panics {
    fn open_topic(&self, _: &str, events: Weak<dyn RemoteEvents>) -> Arc<dyn RemoteTopic> {
        Arc::new(Loop { events, subscription_generation: AtomicU64::new(0) })
    }

    fn flush(&self) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<Result<(), BrokerError>> {
        self.flush()
    }
}

impl RemoteTopic for Loop {
    fn check(&self) -> Result<(), PublishError> {
        Ok(())
    }

    fn node(&self) -> u64 {
        1
    }

    fn enable_history(&self, _: History) -> bool {
        true
    }

    fn has_history(&self) -> bool {
        true
    }

    fn publish(&self, payload: Bytes, except: Option<usize>) -> Result<(), PublishError> {
        let events = self.events.upgrade().unwrap();
        events.message_received(
            self.subscription_generation.load(Ordering::Relaxed),
            RemoteMessage { payload, position: None, except },
        );
        Ok(())
    }

    fn subscribe(&self, subscription_generation: u64) {
        self.subscription_generation.store(subscription_generation, Ordering::Relaxed);
    }

    fn unsubscribe(&self) {}

    fn wait_subscribed(&self) -> BoxFuture<()> {
        Box::pin(std::future::ready(()))
    }

    fn recover(&self, _: Since) -> BoxFuture<Option<RecoveredMessages>> {
        Box::pin(async { panic!("the client of the broker has panicked") })
    }

    fn position(&self) -> BoxFuture<Option<Position>> {
        Box::pin(std::future::ready(None))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn join(&self, _: u64, _: &str) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self, _: u64) {}

    fn remote_members_ready(&self) -> BoxFuture<()> {
        Box::pin(std::future::ready(()))
    }
}

#[websocket]
struct Returns {
    room: Topic<String>,
    told: mpsc::Sender<Recovery>,
}

#[websocket]
impl Returns {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let recovery = cx.subscribe_from(&self.room, None).await;
        self.told.send(recovery).unwrap();
    }
    #[on_info]
    fn heard(&mut self, line: Arc<String>) -> String {
        line.to_string()
    }
    #[on_lagged]
    fn lagged(&mut self, missed: u64) -> String {
        format!("lagged {missed}")
    }
}

#[tokio::test]
async fn who_is_held_is_released_when_the_search_panics() {
    let room = Hub::with_broker(Box::new(Panics)).topic::<String>("room").history(8);
    let (told, recovery) = mpsc::channel();
    let mut client = TestClient::open(Returns { room: room.clone(), told }).await;
    assert_eq!(client.text().await, "lagged 0");
    assert_eq!(recovery.recv().unwrap(), Recovery::default());
    room.publish("hello".into()).unwrap();
    assert_eq!(client.text().await, "hello");
}
