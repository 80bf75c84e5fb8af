//! A topic whose broker fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Weak, mpsc};

use bytes::Bytes;

use super::*;
use crate::topic::broker::{
    BoxFuture, Broker, PendingPosition, ProcessAnswer, RecoveredMessages, RemoteEvents, RemoteMessage,
    RemoteTopic, RequestHandler,
};
use crate::{BrokerError, History, Recovery};

/// A broker that returns published messages, and panics on recovery.
struct PanickingBroker;

struct LoopbackTopic {
    events: Weak<dyn RemoteEvents>,
    subscription_generation: AtomicU64,
}

impl Broker for PanickingBroker {
    fn open_topic(&self, _: &str, events: Weak<dyn RemoteEvents>) -> Arc<dyn RemoteTopic> {
        Arc::new(LoopbackTopic { events, subscription_generation: AtomicU64::new(0) })
    }

    fn request(&self, _: Bytes) -> tokio::sync::mpsc::Receiver<ProcessAnswer> {
        // No other process serves requests.
        tokio::sync::mpsc::channel(1).1
    }

    fn serve_requests(&self, _: Weak<dyn RequestHandler>) {}

    fn flush(&self) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<Result<(), BrokerError>> {
        self.flush()
    }
}

impl RemoteTopic for LoopbackTopic {
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

    fn publish(
        &self,
        payload: Bytes,
        except: Option<usize>,
    ) -> Result<Option<PendingPosition>, PublishError> {
        let events = self.events.upgrade().unwrap();
        events.message_received(
            self.subscription_generation.load(Ordering::Relaxed),
            RemoteMessage { payload, position: None, except },
        );
        Ok(None)
    }

    fn subscribe(&self, subscription_generation: u64) {
        self.subscription_generation.store(subscription_generation, Ordering::Relaxed);
    }

    fn unsubscribe(&self) {}

    fn wait_subscribed(&self) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn recover(&self, _: Since) -> BoxFuture<Option<RecoveredMessages>> {
        Box::pin(async { panic!("panic in the client of the broker") })
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

    fn remote_members_ready(&self) -> BoxFuture<Result<(), BrokerError>> {
        self.wait_subscribed()
    }
}

#[websocket]
struct ReturningClient {
    room: Topic<String>,
    result: mpsc::Sender<Recovery>,
}

#[websocket]
impl ReturningClient {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let recovery = cx.subscribe_from(&self.room, None).await;
        self.result.send(recovery).unwrap();
    }
    #[on_info]
    fn line(&mut self, line: Arc<String>) -> String {
        line.to_string()
    }
    #[on_lagged]
    fn lagged(&mut self, missed: u64) -> String {
        format!("lagged {missed}")
    }
}

#[tokio::test]
async fn panic_of_a_recovery_flushes_the_buffer() {
    let room = Hub::with_broker(Box::new(PanickingBroker)).topic::<String>("room").history(8);
    let (result, recovery) = mpsc::channel();
    let mut client = TestClient::open(ReturningClient { room: room.clone(), result }).await;
    assert_eq!(client.text().await, "lagged 0");
    assert_eq!(recovery.recv().unwrap(), Recovery::default());
    room.publish("hello".into()).unwrap();
    assert_eq!(client.text().await, "hello");
}
