//! Publish and subscribe, presence and overflow in a hub of one process.

use std::collections::HashMap;

use crate::Codec;
use crate::close::CloseReason;
use crate::prelude::*;
use crate::test::TestClient;

#[websocket]
struct Guest {
    room: Topic<String>,
    name: String,
}

#[websocket]
impl Guest {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe(&self.room);
        cx.join(&self.room, &self.name);
    }

    #[on_text]
    fn command(&mut self, text: &str, cx: &mut Context<Self>) -> Result<(), PublishError> {
        match text {
            "leave" => {
                assert!(cx.unsubscribe(&self.room));
                assert!(!cx.unsubscribe(&self.room));
            }
            "again" => {
                cx.subscribe(&self.room);
                cx.subscribe(&self.room);
            }
            text if text.starts_with("others:") => _ = cx.publish_to_others(&self.room, text.to_owned())?,
            text => _ = self.room.publish(text.to_owned())?,
        }
        Ok(())
    }

    #[on_info]
    fn line(&mut self, line: Arc<String>) -> String {
        line.to_string()
    }
}

fn guest(room: &Topic<String>, name: &str) -> impl Future<Output = TestClient<Guest>> {
    TestClient::open(Guest { room: room.clone(), name: name.into() })
}

#[tokio::test]
async fn subscriber_receives_until_it_unsubscribes_or_closes() {
    let hub = Hub::local();
    let room = hub.topic("room");
    let (mut anna, mut ben) = (guest(&room, "anna").await, guest(&room, "ben").await);
    assert_eq!(room.subscribers(), 2);
    anna.send("hello").await;
    assert_eq!((anna.text().await, ben.text().await), ("hello".into(), "hello".into()));
    ben.send("others: hi").await;
    assert_eq!(anna.text().await, "others: hi");
    ben.expect_nothing().await;
    ben.send("leave").await;
    anna.send("alone").await;
    assert_eq!(anna.text().await, "alone");
    ben.expect_nothing().await;
    ben.send("again").await;
    room.publish("once".into()).unwrap();
    assert_eq!(ben.text().await, "once");
    ben.expect_nothing().await;
    ben.abort().await;
    anna.close(1000).await;
    assert_eq!(room.subscribers(), 0);
    // The last handles of the topic.
    drop((room, anna, ben));
    assert_eq!(hub.len(), 0);
}

#[tokio::test]
async fn name_and_type_identify_a_topic() {
    let hub = Hub::local();
    let (room, attic) = (hub.topic::<String>("room"), hub.topic::<String>("attic"));
    let number = hub.topic::<u64>("room");
    let mut anna = guest(&room, "anna").await;
    attic.publish("dark".into()).unwrap();
    number.publish(1).unwrap();
    Hub::local().topic::<String>("room").publish("elsewhere".into()).unwrap();
    hub.topic::<String>("room").publish("here".into()).unwrap();
    assert_eq!(anna.text().await, "here");
    anna.expect_nothing().await;
}

#[tokio::test]
async fn members_are_those_who_joined_and_have_not_left() {
    let room = Hub::local().topic("room");
    let anna = guest(&room, "anna").await;
    let mut ben = guest(&room, "ben").await;
    let names =
        async || room.members().await.iter().map(|member| member.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names().await, ["anna", "ben"]);
    ben.abort().await;
    assert_eq!(names().await, ["anna"]);
    drop(anna);
}

/// Declares a handler whose method runs while numbers are published.
macro_rules! busy {
    ($name:ident, $overflow:ident) => {
        #[websocket(overflow = $overflow, mailbox = 3)]
        struct $name([Topic<u32>; 2]);

        #[websocket]
        impl $name {
            #[on_open]
            fn open(&mut self, cx: &mut Context<Self>) {
                self.0.iter().for_each(|topic| _ = cx.subscribe(topic));
            }
            #[on_text]
            async fn busy(&mut self, _: &str) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            #[on_info]
            fn number(&mut self, number: Arc<u32>) -> String {
                number.to_string()
            }
            #[on_lagged]
            fn lagged(&mut self, missed: u64) -> String {
                format!("missed {missed}")
            }
        }

        impl $name {
            async fn publish(numbers: impl IntoIterator<Item = u32>) -> TestClient<Self> {
                let hub = Hub::local();
                let topics = ["even", "odd"].map(|name| hub.topic(name));
                let mut client = TestClient::open(Self(topics.clone())).await;
                client.send("be busy").await;
                for number in numbers {
                    topics[number as usize % 2].publish(number).unwrap();
                }
                client.advance(Duration::from_secs(1)).await;
                client
            }
        }
    };
}

busy!(Closes, close);
busy!(DropsOldest, drop_oldest);
busy!(DropsNewest, drop_newest);
busy!(Latest, latest);

/// Checks that the client receives these messages and no others.
async fn texts<H: ws_core::Handler>(mut client: TestClient<H>, expect: &[&str]) {
    for text in expect {
        assert_eq!(client.text().await, *text);
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn overflow_option_selects_the_messages_to_drop() {
    texts(Closes::publish(1..=3).await, &["1", "2", "3"]).await;
    assert_eq!(Closes::publish(1..=4).await.close_reason().await, CloseReason::Overflow);
    texts(DropsOldest::publish(1..=9).await, &["missed 6", "7", "8", "9"]).await;
    texts(DropsNewest::publish(1..=9).await, &["1", "2", "3", "missed 6"]).await;
    texts(Latest::publish(1..=9).await, &["missed 7", "9", "8"]).await;
}

#[websocket(outbox_high_water = 1KiB)]
struct Forwards(Topic<String>);

#[websocket]
impl Forwards {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.forward(&self.0);
    }
    #[on_text]
    async fn busy(&mut self, _: &str) {
        std::future::pending().await
    }
}

#[tokio::test]
async fn forwarded_messages_pass_a_running_method() {
    let room = Hub::local().topic::<String>("room");
    let mut client = TestClient::open(Forwards(room.clone())).await;
    client.send("be busy").await;
    room.publish("hello".into()).unwrap();
    assert_eq!(client.text().await, r#""hello""#);
}

struct Upper;

impl Codec<String> for Upper {
    const IS_TEXT: bool = true;

    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), ws_core::BoxError> {
        match &**value {
            "reject" => return Err("rejected by the codec".into()),
            "panic" => panic!("panic in the codec"),
            "broken" => out.push(0xff),
            text => out.extend_from_slice(text.to_uppercase().as_bytes()),
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, ws_core::BoxError> {
        Ok(std::str::from_utf8(bytes)?.to_lowercase())
    }
}

#[tokio::test]
async fn value_that_cannot_be_encoded_is_not_published() {
    let room = Hub::local().topic_with("room", Upper);
    room.publish("reject".into()).unwrap(); // Not encoded: there are no subscribers.
    let mut client = TestClient::open(Forwards(room.clone())).await;
    let error = room.publish("reject".into()).unwrap_err();
    assert_eq!(error.to_string(), "cannot encode the value: rejected by the codec");
    assert!(room.publish("broken".into()).is_err());
    room.publish("hello".into()).unwrap();
    assert_eq!(client.text().await, "HELLO");
    client.expect_nothing().await;
}

#[tokio::test]
async fn value_that_publishes_in_its_drop_does_not_deadlock() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct PublishesOnDrop(u32, #[serde(skip)] Option<Topic<PublishesOnDrop>>);
    impl Drop for PublishesOnDrop {
        fn drop(&mut self) {
            if let Some(topic) = self.1.take() {
                topic.publish(PublishesOnDrop(self.0 + 100, None)).unwrap();
            }
        }
    }
    #[websocket(overflow = drop_oldest, mailbox = 1)]
    struct Reader(Topic<PublishesOnDrop>);
    #[websocket]
    impl Reader {
        #[on_open]
        async fn open(&mut self, cx: &mut Context<Self>) {
            cx.subscribe(&self.0).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        #[on_info]
        fn number(&mut self, value: Arc<PublishesOnDrop>) -> String {
            value.0.to_string()
        }
    }
    let topic = Hub::local().topic::<PublishesOnDrop>("numbers").history(1);
    let mut client = TestClient::open(Reader(topic.clone())).await;
    for number in 0..3 {
        topic.publish(PublishesOnDrop(number, Some(topic.clone()))).unwrap();
    }
    client.advance(Duration::from_secs(1)).await;
    assert!(!client.text().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_publisher_arrive_in_order_from_many_threads() {
    const PUBLISHERS: u64 = 4;
    const MESSAGES: u64 = 2000;
    #[websocket(mailbox = 10_000)]
    struct Counts {
        topic: Topic<(u64, u64)>,
        last: HashMap<u64, u64>,
        done: tokio::sync::mpsc::UnboundedSender<()>,
    }
    #[websocket]
    impl Counts {
        #[on_open]
        fn open(&mut self, cx: &mut Context<Self>) {
            cx.subscribe(&self.topic);
        }
        #[on_info]
        fn number(&mut self, message: Arc<(u64, u64)>) {
            let (publisher, number) = *message;
            let last = self.last.entry(publisher).or_default();
            assert_eq!(number, *last + 1);
            *last = number;
            if self.last.len() as u64 == PUBLISHERS && self.last.values().all(|last| *last == MESSAGES) {
                self.done.send(()).unwrap();
            }
        }
    }
    let topic = Hub::local().topic::<(u64, u64)>("numbers");
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    let mut lines = Vec::new();
    for _ in 0..8 {
        let (client, server) = tokio::io::duplex(1024);
        let handler = Counts { topic: topic.clone(), last: HashMap::new(), done: done.clone() };
        let options = <Counts as crate::handler::Handler>::CHECKED_DECLARATION.options;
        let wire = crate::wire::Connection::new(options.into(), Vec::new(), crate::clock::now());
        tokio::spawn(crate::driver::run(handler, Context::new(wire, None, None), server, None));
        lines.push(client);
    }
    while topic.subscribers() < lines.len() {
        tokio::task::yield_now().await;
    }
    for publisher in 0..PUBLISHERS {
        let topic = topic.clone();
        tokio::task::spawn_blocking(move || {
            (1..=MESSAGES).for_each(|number| drop(topic.publish((publisher, number)).unwrap()));
        });
    }
    for _ in &lines {
        finished.recv().await.unwrap();
    }
}

mod close;
mod delivery;
mod except;
mod forward;
mod history;
mod local;
mod network;
#[cfg(feature = "nats")]
mod remote;
mod tagged;
mod tagged_send;
