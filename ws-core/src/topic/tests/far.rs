//! What a broker can do to a topic, with one that is made for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Weak, mpsc};

use bytes::Bytes;

use super::*;
use crate::topic::broker::{Arrival, Broker, Carrier, Found, Inlet, Later};
use crate::{BrokerError, History, Recovery};

/// A broker that brings back what is published, and panics when it is asked for more.
struct Panics;

struct Loop {
    inlet: Weak<dyn Inlet>,
    hearing: AtomicU64,
}

impl Broker for Panics {
    fn carry(&self, _: &str, inlet: Weak<dyn Inlet>) -> Arc<dyn Carrier> {
        Arc::new(Loop { inlet, hearing: AtomicU64::new(0) })
    }

    fn flush(&self) -> Later<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> Later<Result<(), BrokerError>> {
        self.flush()
    }
}

impl Carrier for Loop {
    fn check(&self) -> Result<(), PublishError> {
        Ok(())
    }

    fn node(&self) -> u64 {
        1
    }

    fn keep(&self, _: History) -> bool {
        true
    }

    fn keeps(&self) -> bool {
        true
    }

    fn publish(&self, payload: Bytes, except: Option<usize>) -> Result<(), PublishError> {
        let inlet = self.inlet.upgrade().unwrap();
        inlet.arrived(self.hearing.load(Ordering::Relaxed), Arrival { payload, position: None, except });
        Ok(())
    }

    fn listen(&self, hearing: u64) {
        self.hearing.store(hearing, Ordering::Relaxed);
    }

    fn unlisten(&self) {}

    fn ready(&self) -> Later<()> {
        Box::pin(std::future::ready(()))
    }

    fn recover(&self, _: Since) -> Later<Option<Found>> {
        Box::pin(async { panic!("the client of the broker has panicked") })
    }

    fn position(&self) -> Later<Option<Position>> {
        Box::pin(std::future::ready(None))
    }

    fn spawn(&self, task: Later<()>) {
        tokio::spawn(task);
    }

    fn join(&self, _: u64, _: &str) -> Later<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self, _: u64) {}

    fn members(&self) -> Later<()> {
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
    let room = Hub::of(Box::new(Panics)).topic::<String>("room").history(8);
    let (told, recovery) = mpsc::channel();
    let mut client = TestClient::open(Returns { room: room.clone(), told }).await;
    assert_eq!(client.text().await, "lagged 0");
    assert_eq!(recovery.recv().unwrap(), Recovery::default());
    room.publish("hello".into()).unwrap();
    assert_eq!(client.text().await, "hello");
}
