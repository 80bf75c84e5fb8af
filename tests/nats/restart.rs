//! The server is stopped, and comes back.

use super::*;

/// Publishes numbers until it is told to stop; those that were taken.
fn publish_on(
    room: &Topic<String>,
    mut stop: tokio::sync::oneshot::Receiver<()>,
) -> tokio::task::JoinHandle<(Vec<u64>, u64)> {
    let room = room.clone();
    tokio::spawn(async move {
        let (mut taken, mut refused) = (Vec::new(), 0);
        for number in 0.. {
            match room.publish(number.to_string()) {
                Ok(()) => taken.push(number),
                Err(PublishError::Disconnected | PublishError::Full) => refused += 1,
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            if stop.try_recv().is_ok() {
                break;
            }
        }
        (taken, refused)
    })
}

/// Publishes until the subscriber hears that the other process is there again.
async fn publish_until_received(room: &Topic<String>, session: &mut Session, word: &str) -> Vec<Event> {
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

#[tokio::test]
async fn what_is_lost_while_the_server_is_away_is_told() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    let mut sessions = [Session::subscriber(&rooms[0]).await, Session::subscriber(&rooms[1]).await];
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let publisher = publish_on(&rooms[0], stopped);
    sessions[1].expect_message("0").await;
    nats.stop();
    wait_until(async || matches!(rooms[0].publish("x".into()), Err(PublishError::Disconnected))).await;
    wait_until(async || matches!(rooms[1].publish("x".into()), Err(PublishError::Disconnected))).await;
    // A subscription does not wait for ever, nor does anything else.
    assert_eq!(Session::open(&rooms[1], OnOpen::Subscribe).await.next().await, Event::Open);
    nats.restart().await;
    wait_until(async || rooms[0].publish("x".into()).is_ok()).await;
    wait_until(async || rooms[1].publish("y".into()).is_ok()).await;
    stop.send(()).unwrap();
    let (taken, refused) = publisher.await.unwrap();
    assert!(refused > 0 && !taken.is_empty());
    let told = publish_until_received(&rooms[0], &mut sessions[1], "end").await;
    assert!(told.iter().any(|told| matches!(told, Event::Lagged(_))), "{told:?}");
    // Nothing twice, nothing out of order, and nothing that was refused.
    let heard: Vec<u64> = told
        .iter()
        .filter_map(|told| if let Event::Received(line) = told { line.parse().ok() } else { None })
        .collect();
    assert!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
    assert!(heard.iter().all(|number| taken.binary_search(number).is_ok()));
    // At home everything that was taken is heard; that the connection was lost is told there too.
    let (mut at_home, mut lagged) = (Vec::new(), false);
    while let Ok((told, _)) = sessions[0].events.try_recv() {
        match told {
            Event::Received(line) => at_home.extend(line.parse::<u64>()),
            told => lagged |= told == Event::Lagged(0),
        }
    }
    assert_eq!(at_home, taken);
    assert!(lagged);
}

#[tokio::test]
async fn history_goes_on_after_the_server_was_away() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(10_000));
    let mut sessions = [Session::subscriber(&rooms[0]).await, Session::subscriber(&rooms[1]).await];
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let publisher = publish_on(&rooms[0], stopped);
    sessions[1].expect_message("0").await;
    nats.stop();
    wait_until(async || matches!(rooms[0].publish("x".into()), Err(PublishError::Disconnected))).await;
    nats.restart().await;
    wait_until(async || rooms[0].publish("x".into()).is_ok()).await;
    stop.send(()).unwrap();
    let (taken, refused) = publisher.await.unwrap();
    assert!(refused > 0);
    let mut all = Vec::new();
    for (room, session) in rooms.iter().zip(&mut sessions) {
        let told = publish_until_received(room, session, "end").await;
        let heard: Vec<u64> = told
            .iter()
            .filter_map(|told| if let Event::Received(line) = told { line.parse().ok() } else { None })
            .collect();
        assert!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
        assert!(heard.iter().all(|number| taken.binary_search(number).is_ok()));
        // What was lost on the way to the server was told.
        let first = usize::from(heard.first() == Some(&1));
        let lost = taken.len() - first - heard.len();
        assert!(lost == 0 || told.iter().any(|told| matches!(told, Event::Lagged(_))), "{lost} {told:?}");
        all.push(heard);
    }
    // The same in both, from the second one on: the first has been heard.
    all[0].retain(|number| *number != 0);
    assert_eq!(all[0], all[1]);
}

#[tokio::test]
async fn who_subscribes_to_a_history_meanwhile_is_told_when_that_begins() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("room").history(8);
    nats.stop();
    // Of what is taken here and lost, those in the room are not told.
    let another = hub.topic::<String>("another");
    wait_until(async || matches!(another.publish("x".into()), Err(PublishError::Disconnected))).await;
    let mut session = Session::subscriber(&room).await;
    nats.restart().await;
    assert_eq!(session.next().await, Event::Lagged(0));
    wait_until(async || room.publish("hello".into()).is_ok()).await;
    session.expect_message("hello").await;
}

#[tokio::test]
async fn hub_that_is_dropped_ends_its_connection() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("room").history(4);
    let session = Session::subscriber(&room).await;
    room.members().await;
    wait_until(async || nats.connections().await == 1).await;
    drop((session, room, hub));
    wait_until(async || nats.connections().await == 0).await;
}
