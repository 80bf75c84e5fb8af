//! Many connections in two processes.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;

/// A handler that counts the messages of several publishers and reports when it has all of them.
#[websocket(mailbox = 1_000_000)]
struct Counts {
    topic: Topic<(u32, u32)>,
    last: HashMap<u32, u32>,
    publishers: usize,
    messages: u32,
    report: mpsc::UnboundedSender<&'static str>,
}

#[websocket]
impl Counts {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe(&self.topic).await.unwrap();
        self.report.send("open").unwrap();
    }

    #[on_info]
    fn on_message(&mut self, message: Arc<(u32, u32)>) {
        let (publisher, number) = *message;
        let last = self.last.entry(publisher).or_default();
        assert_eq!(number, *last + 1, "of publisher {publisher}");
        *last = number;
        if self.last.len() == self.publishers && self.last.values().all(|last| *last == self.messages) {
            self.report.send("done").unwrap();
        }
    }

    #[on_close]
    fn on_close(&mut self) {
        let _ = self.report.send("closed");
    }

    #[on_lagged]
    fn on_lagged(&mut self, missed: u64) {
        panic!("missed {missed}");
    }
}

/// Runs `topics` × `listeners` connections and two publishers per topic in each of two processes.
async fn check(nats: &NatsServer, topics: u32, listeners: u32, messages: u32, history: Option<usize>) {
    let hubs = hubs(nats).await;
    let topic = |hub: &Hub, number: u32| {
        let topic = hub.topic::<(u32, u32)>(format!("numbers {number} {history:?}"));
        history.map_or(topic.clone(), |len| topic.history(len))
    };
    let (report, mut reports) = mpsc::unbounded_channel();
    let mut clients = Vec::new();
    for number in 0..topics {
        for hub in &hubs {
            for _ in 0..listeners {
                let (topic, report) = (topic(hub, number), report.clone());
                let last = HashMap::new();
                clients.push(drive(Counts { topic, last, publishers: 4, messages, report }).await);
            }
        }
    }
    let mut wait = async |expected: &str| {
        for _ in 0..topics * 2 * listeners {
            let report = timeout(TIMEOUT, reports.recv()).await.expect(expected).unwrap();
            assert_eq!(report, expected);
        }
    };
    wait("open").await;
    let mut publishers = JoinSet::new();
    for (process, hub) in hubs.iter().enumerate() {
        for number in 0..topics {
            for publisher in 0..2 {
                let topic = topic(hub, number);
                let publisher = process as u32 * 2 + publisher;
                publishers.spawn(async move {
                    for message in 1..=messages {
                        // A full queue is retried at once, so publishing is as fast as possible.
                        while let Err(error) = topic.publish((publisher, message)) {
                            assert!(matches!(error, PublishError::Full), "{error}");
                            tokio::task::yield_now().await;
                        }
                        tokio::task::yield_now().await;
                    }
                });
            }
        }
    }
    publishers.join_all().await;
    wait("done").await;
    assert!(reports.try_recv().is_err(), "a report arrived twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subscriber_receives_every_message_once_and_in_order() {
    let Some(nats) = NatsServer::start().await else { return };
    check(&nats, 20, 10, 50, None).await;
    check(&nats, 5, 10, 50, Some(1000)).await;
}

/// `cargo test --release -p tests --test nats -- --ignored measure --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow"]
async fn measure_two_thousand_connections_and_a_hundred_topics() {
    let Some(nats) = NatsServer::start().await else { return };
    let begin = std::time::Instant::now();
    check(&nats, 100, 10, 200, None).await;
    let (took, delivered) = (begin.elapsed(), 2 * 1_000 * 4 * 200);
    println!("{delivered} deliveries to 2 × 1,000 connections in {took:?}");
}
