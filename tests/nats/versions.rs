//! Processes of an earlier version, beside those of this one: messages have no `Ws-Base`, streams have no epoch
//! in their description, and positions have the creation time of the stream as their epoch.
//!
//! A plain client acts as the earlier process, with the formats and the rules of that version.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use tests::nats::LossyProxy;
use ws_core::async_nats::jetstream::{self, consumer, stream};
use ws_core::async_nats::{self, HeaderMap};

use super::*;

const STREAM: &str = "WS_HISTORY_16_300";
const STORED: &str = "ws.h.16_300.room";
const PLAIN: &str = "ws.t.room";

/// A process of the earlier version.
struct EarlierProcess {
    client: async_nats::Client,
    jetstream: jetstream::Context,
    node: u64,
    /// Number of the last message, with all subjects as one topic.
    last: u64,
}

impl EarlierProcess {
    async fn start(nats: &NatsServer, node: u64) -> Self {
        let client = async_nats::connect(nats.url()).await.unwrap();
        Self { jetstream: jetstream::new(client.clone()), client, node, last: 0 }
    }

    /// Opens the stream, or creates it with the configuration of the earlier version. Returns the epoch.
    async fn open(&self) -> u64 {
        let config = stream::Config {
            name: STREAM.into(),
            description: Some("messages of topics, for subscribers that reconnect".into()),
            subjects: vec!["ws.h.16_300.*".into()],
            max_messages_per_subject: 17,
            max_age: Duration::from_secs(300),
            discard: stream::DiscardPolicy::Old,
            storage: stream::StorageType::File,
            num_replicas: 1,
            ..Default::default()
        };
        created(self.jetstream.get_or_create_stream(config).await.unwrap().cached_info())
    }

    fn headers(&mut self, kind: &str) -> HeaderMap {
        if kind.is_empty() {
            self.last += 1;
        }
        let mut headers = HeaderMap::new();
        headers.insert("Ws", format!("{:x}.0.{:x}{kind}", self.node, self.last));
        headers
    }

    /// Loses the next messages on their way.
    fn lose(&mut self, messages: u64) {
        self.last += messages;
    }

    async fn publish(&mut self, line: &str) {
        let headers = self.headers("");
        self.client.publish_with_headers(PLAIN, headers, format!("\"{line}\"").into()).await.unwrap();
        self.client.flush().await.unwrap();
    }

    /// Publishes the number of the last message, as after a reconnect.
    async fn publish_checkpoint(&mut self) {
        let headers = self.headers(".mark");
        self.client.publish_with_headers(PLAIN, headers, "".into()).await.unwrap();
        self.client.flush().await.unwrap();
    }

    /// Stores a message. Returns its offset.
    async fn store(&mut self, line: &str) -> u64 {
        let headers = self.headers("");
        let payload = format!("\"{line}\"").into();
        let ack = self.jetstream.publish_with_headers(STORED, headers, payload).await.unwrap();
        ack.await.unwrap().sequence
    }

    /// Returns the topic's messages in the stream.
    async fn stored(&self) -> Vec<async_nats::Message> {
        let stream = self.jetstream.get_stream(STREAM).await.unwrap();
        let config = consumer::pull::Config { filter_subject: STORED.into(), ..Default::default() };
        let consumer = stream.create_consumer(config).await.unwrap();
        let pending = usize::try_from(consumer.cached_info().num_pending).unwrap();
        let messages = consumer.messages().await.unwrap().take(pending);
        messages.map(|message| message.unwrap().message).collect().await
    }
}

/// Returns the epoch of a stream by the rule of the earlier version.
fn created(info: &stream::Info) -> u64 {
    let since = SystemTime::from(info.created).duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// The tracker of the earlier version: the last number of each sender.
#[derive(Default)]
struct EarlierTracker(HashMap<String, u64>);

impl EarlierTracker {
    /// Returns the events that the earlier version reports.
    fn receive(&mut self, message: &async_nats::Message) -> Vec<Event> {
        let id = message.headers.as_ref().unwrap().get("Ws").unwrap().as_str();
        let parts: Vec<&str> = id.split('.').collect();
        let (sender, number) = (parts[..2].join("."), u64::from_str_radix(parts[2], 16).unwrap());
        let is_checkpoint = parts.get(3) == Some(&"mark");
        let before = self.0.get(&sender).copied();
        let is_new = before.is_none_or(|last| number > last || is_checkpoint && number == last);
        let mut events = Vec::new();
        if is_new {
            self.0.insert(sender, number);
            let own = u64::from(!is_checkpoint);
            let missed = before.map(|last| number - last - own).filter(|missed| *missed > 0);
            let unknown = (before.is_none() && is_checkpoint).then_some(0);
            events.extend(missed.or(unknown).map(Event::Lagged));
            if !is_checkpoint {
                let line = std::str::from_utf8(&message.payload).unwrap().trim_matches('"');
                events.push(Event::Received(line.to_owned()));
            }
        }
        events
    }
}

fn received(lines: &[&str]) -> Vec<Event> {
    lines.iter().map(|line| Event::Received((*line).to_owned())).collect()
}

#[tokio::test]
async fn history_of_an_earlier_version_is_continued() {
    let Some(nats) = NatsServer::start().await else { return };
    let mut earlier = EarlierProcess::start(&nats, 1).await;
    let epoch = earlier.open().await;
    let mut offsets = Vec::new();
    for line in ["1", "2", "3"] {
        offsets.push(earlier.store(line).await);
    }
    let [hub, _] = hubs(&nats).await;
    let room = hub.topic::<String>("room").history(16);
    // A position from an earlier process.
    let since: Position = format!("{epoch:x}-{:x}", offsets[0]).parse().unwrap();
    let (mut session, recovery) = Session::from(&room, since).await;
    assert!(recovery.recovered);
    assert_eq!(session.expect_message("2").await, Some(Position { epoch, offset: offsets[1] }));
    session.expect_message("3").await;
    earlier.store("4").await;
    session.expect_message("4").await;
    earlier.lose(2);
    earlier.store("7").await;
    assert_eq!(session.next().await, Event::Lagged(2));
    session.expect_message("7").await;
    // The loss is counted among recovered messages, too.
    let (mut back, recovery) = Session::from(&room, since).await;
    assert!(recovery.recovered);
    back.expect_message("2").await;
    back.expect_message("3").await;
    back.expect_message("4").await;
    assert_eq!(back.next().await, Event::Lagged(2));
    back.expect_message("7").await;

    // An earlier process opens the stream again, and finds a position of this version in it.
    let position = room.publish("new".to_owned()).unwrap().await.unwrap().unwrap();
    session.expect_message("new").await;
    assert_eq!((position.epoch, earlier.open().await), (epoch, epoch));
    let stream = earlier.jetstream.get_stream(STREAM).await.unwrap();
    let config = &stream.cached_info().config;
    let described = format!("messages of topics, for subscribers that reconnect; epoch {epoch:x}");
    assert_eq!(config.description.as_ref(), Some(&described));
    assert_eq!((config.max_messages_per_subject, config.max_age), (17, Duration::from_secs(300)));
    assert_eq!(stream.cached_info().state.last_sequence, position.offset);
}

#[tokio::test]
async fn history_of_this_version_is_continued_by_an_earlier_one() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let lossy = Hub::nats(&proxy.url()).await.unwrap();
    let room = lossy.topic::<String>("room").history(16);
    room.publish("1".into()).unwrap().await.unwrap();
    // These messages are given up, so a mark is stored.
    proxy.drop_matching("lost");
    for line in ["lost 2", "lost 3"] {
        room.publish(line.to_owned()).unwrap();
    }
    lossy.flush().await.unwrap_err();
    let mut earlier = EarlierProcess::start(&nats, 1).await;
    let created = earlier.open().await;
    wait_until(async || earlier.stored().await.len() == 2).await;
    earlier.store("earlier").await;
    let position = room.publish("4".to_owned()).unwrap().await.unwrap().unwrap();
    let mut tracker = EarlierTracker::default();
    let stored = earlier.stored().await;
    let events: Vec<_> = stored.iter().flat_map(|message| tracker.receive(message)).collect();
    let [first, earlier, last] = ["1", "earlier", "4"].map(|line| Event::Received(line.into()));
    assert_eq!(events, [first, Event::Lagged(2), earlier, last]);

    // The epoch of a stream that this version has created is not that of the earlier version. A position of
    // the other version recovers nothing, and is not mistaken for one of this version.
    assert_ne!(position.epoch, created);
    let since = Position { epoch: created, offset: position.offset };
    assert!(!Session::from(&room, since).await.1.recovered);
}

#[tokio::test]
async fn versions_receive_each_others_messages() {
    let Some(nats) = NatsServer::start().await else { return };
    let proxy = LossyProxy::start(&nats).await;
    let lossy = Hub::nats(&proxy.url()).await.unwrap();
    let room = lossy.topic::<String>("room");
    let mut session = Session::subscriber(&room).await;
    let mut earlier = EarlierProcess::start(&nats, 1).await;
    let mut subscription = earlier.client.subscribe(PLAIN).await.unwrap();
    wait_until(async || nats.subscriptions(PLAIN).await == 2).await;
    let mut tracker = EarlierTracker::default();
    // Answers to the check of a subscription, without headers, are for the process that checks.
    let mut next = async || loop {
        let message = subscription.next().await.unwrap();
        let id = message.headers.as_ref().and_then(|headers| headers.get("Ws"));
        if id.is_some_and(|id| !id.as_str().starts_with("1.")) {
            return tracker.receive(&message);
        }
    };

    earlier.publish("earlier 1").await;
    session.expect_message("earlier 1").await;
    earlier.lose(1);
    earlier.publish("earlier 3").await;
    assert_eq!(session.next().await, Event::Lagged(1));
    session.expect_message("earlier 3").await;
    earlier.lose(2);
    earlier.publish_checkpoint().await;
    assert_eq!(session.next().await, Event::Lagged(2));

    room.publish("1".into()).unwrap();
    assert_eq!(timeout(TIMEOUT, next()).await.unwrap(), received(&["1"]));
    session.expect_message("1").await;
    proxy.drop_matching("lost");
    room.publish("lost".into()).unwrap();
    session.expect_message("lost").await;
    wait_until(async || proxy.dropped() == 1).await;
    // After a reconnect, a mark reports the loss.
    proxy.disconnect();
    assert_eq!(timeout(TIMEOUT, next()).await.unwrap(), [Event::Lagged(1)]);
    assert_eq!(session.next().await, Event::Lagged(0));
    wait_until(async || room.publish("3".into()).is_ok()).await;
    assert_eq!(timeout(TIMEOUT, next()).await.unwrap(), received(&["3"]));

    // A checkpoint of a process whose messages the subscriber has not received reports a loss of unknown size.
    session.expect_message("3").await;
    let mut silent = EarlierProcess::start(&nats, 2).await;
    silent.lose(3);
    silent.publish_checkpoint().await;
    assert_eq!(session.next().await, Event::Lagged(0));
}
