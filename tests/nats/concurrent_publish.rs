//! Several tasks publish in one topic, whatever becomes of the connection.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// A task that publishes `NAME:NUMBER` until it is stopped; what was taken of that.
pub(super) struct Publisher {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Vec<String>>,
}

impl Publisher {
    pub(super) fn start(room: &Topic<String>, name: &'static str) -> Self {
        let room = room.clone();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut taken = Vec::new();
            for number in 0.. {
                let line = format!("{name}:{number}");
                match room.publish(line.clone()) {
                    Ok(()) => taken.push(line),
                    Err(PublishError::Disconnected | PublishError::Full) => {}
                    Err(error) => panic!("{error}"),
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
                if stopped.try_recv().is_ok() {
                    break;
                }
            }
            taken
        });
        Self { stop, task }
    }

    pub(super) async fn stop(self) -> Vec<String> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

/// Publishes a word until somebody hears it, and what it was told before.
pub(super) async fn publish_until_received(
    room: &Topic<String>,
    session: &mut Session,
    word: &str,
) -> Vec<Event> {
    let mut told = Vec::new();
    loop {
        // Anything may have been lost until now; one of these is not.
        let _ = room.publish(word.to_owned());
        while let Ok(Some((next, _))) = timeout(Duration::from_millis(50), session.events.recv()).await {
            if next == Event::Received(word.to_owned()) {
                return told;
            }
            told.push(next);
        }
    }
}

/// The lines among it that are of a publisher.
pub(super) fn lines(told: &[Event]) -> Vec<&str> {
    let lines = told
        .iter()
        .filter_map(|told| if let Event::Received(line) = told { Some(line.as_str()) } else { None });
    lines.filter(|line| line.contains(':')).collect()
}

/// Each publisher is heard in its order, and nothing twice. If something that was taken is missing,
/// some gap was told.
pub(super) fn check(told: &[Event], taken: &[Vec<String>]) {
    let lines = lines(told);
    let mut lost = 0;
    for taken in taken {
        let (name, _) = taken[0].split_once(':').unwrap();
        let heard = lines.iter().filter(|line| line.split_once(':').is_some_and(|(of, _)| of == name));
        let mut expected = taken.iter();
        let mut count = 0;
        for line in heard {
            // Another search would begin behind it.
            assert!(expected.any(|taken| taken == line), "{line} is twice, out of order, or was refused");
            count += 1;
        }
        lost += taken.len() - count;
    }
    let is_told = told.iter().any(|told| matches!(told, Event::Lagged(_)));
    assert!(lost == 0 || is_told, "{lost} are lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_publish_keep_their_order_over_a_reconnect() {
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
        // All of them are at it.
        let mut told = [Vec::new(), Vec::new()];
        for (session, told) in sessions.iter_mut().zip(&mut told) {
            while !["a:9", "b:9", "c:9", "d:9"]
                .iter()
                .all(|line| told.contains(&Event::Received((*line).into())))
            {
                told.push(session.next().await);
            }
        }
        nats.stop();
        wait_until(async || matches!(rooms[0].publish("x".into()), Err(PublishError::Disconnected))).await;
        nats.restart().await;
        wait_until(async || rooms[0].publish("x".into()).is_ok()).await;
        let mut taken = Vec::new();
        for publisher in publishers {
            taken.push(publisher.stop().await);
        }
        for (session, told) in sessions.iter_mut().zip(&mut told) {
            told.extend(publish_until_received(&rooms[0], session, "end").await);
            check(told, &taken);
        }
        if history.is_some() {
            // One order for everybody.
            assert_eq!(lines(&told[0]), lines(&told[1]));
        }
    }
}
