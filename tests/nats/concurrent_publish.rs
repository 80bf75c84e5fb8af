//! Several tasks that publish to one topic while the connection fails.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// A task that publishes `NAME:NUMBER` until it is stopped, and returns the accepted messages.
pub(super) struct Publisher {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Vec<String>>,
}

impl Publisher {
    pub(super) fn start(room: &Topic<String>, name: &'static str) -> Self {
        let room = room.clone();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut accepted = Vec::new();
            for number in 0.. {
                let line = format!("{name}:{number}");
                match room.publish(line.clone()) {
                    Ok(_) => accepted.push(line),
                    Err(PublishError::Disconnected | PublishError::Full) => {}
                    Err(error) => panic!("{error}"),
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
                if stopped.try_recv().is_ok() {
                    break;
                }
            }
            accepted
        });
        Self { stop, task }
    }

    pub(super) async fn stop(self) -> Vec<String> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

/// Publishes a word until the session receives it. Returns the events before.
pub(super) async fn publish_until_received(
    room: &Topic<String>,
    session: &mut Session,
    word: &str,
) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        // Messages may be lost while the connection is restored, so the word is published repeatedly.
        let _ = room.publish(word.to_owned());
        while let Ok(Some((next, _))) = timeout(Duration::from_millis(50), session.events.recv()).await {
            if next == Event::Received(word.to_owned()) {
                return events;
            }
            events.push(next);
        }
    }
}

/// Returns the messages that a [`Publisher`] has sent.
pub(super) fn lines(events: &[Event]) -> Vec<&str> {
    let lines = events
        .iter()
        .filter_map(|events| if let Event::Received(line) = events { Some(line.as_str()) } else { None });
    lines.filter(|line| line.contains(':')).collect()
}

/// Checks that messages of each publisher arrived in order and without duplicates. If an accepted message
/// is missing, a gap must have been reported.
pub(super) fn check(events: &[Event], accepted: &[Vec<String>]) {
    let lines = lines(events);
    let mut lost = 0;
    for accepted in accepted {
        let (name, _) = accepted[0].split_once(':').unwrap();
        let received = lines.iter().filter(|line| line.split_once(':').is_some_and(|(of, _)| of == name));
        let mut expected = accepted.iter();
        let mut count = 0;
        for line in received {
            // `any` advances the iterator, so a duplicate is not found again.
            assert!(
                expected.any(|accepted| accepted == line),
                "{line} is duplicate, out of order, or was not accepted"
            );
            count += 1;
        }
        lost += accepted.len() - count;
    }
    let is_reported = events.iter().any(|events| matches!(events, Event::Lagged(_)));
    assert!(lost == 0 || is_reported, "{lost} messages are lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_publishers_keep_their_order_across_a_reconnect() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    for history in [None, Some(100_000)] {
        let name = format!("room {history:?}");
        let rooms = hubs.each_ref().map(|hub| {
            let room = hub.topic::<String>(&name);
            history.map_or(room.clone(), |len: usize| room.history(len))
        });
        let mut sessions = [Session::subscriber(&rooms[0]).await, Session::subscriber(&rooms[1]).await];
        let publishers = ["a", "b", "c", "d"].map(|name| Publisher::start(&rooms[0], name));
        // Waits until every publisher is running.
        let mut events = [Vec::new(), Vec::new()];
        for (session, events) in sessions.iter_mut().zip(&mut events) {
            while !["a:9", "b:9", "c:9", "d:9"]
                .iter()
                .all(|line| events.contains(&Event::Received((*line).into())))
            {
                events.push(session.next().await);
            }
        }
        nats.stop();
        wait_until(async || matches!(rooms[0].publish("x".into()), Err(PublishError::Disconnected))).await;
        nats.restart().await;
        wait_until(async || rooms[0].publish("x".into()).is_ok()).await;
        let mut accepted = Vec::new();
        for publisher in publishers {
            accepted.push(publisher.stop().await);
        }
        for (session, events) in sessions.iter_mut().zip(&mut events) {
            events.extend(publish_until_received(&rooms[0], session, "end").await);
            check(events, &accepted);
        }
        if history.is_some() {
            // With a history, all subscribers see the same order.
            assert_eq!(lines(&events[0]), lines(&events[1]));
        }
    }
}
