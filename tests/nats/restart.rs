//! A server that is stopped and restarted.

use super::concurrent_publish::publish_until_received;
use super::*;

/// Publishes numbers until `stop`. Returns the accepted numbers and how many were rejected.
fn publish_numbers(
    room: &Topic<String>,
    mut stop: tokio::sync::oneshot::Receiver<()>,
) -> tokio::task::JoinHandle<(Vec<u64>, u64)> {
    let room = room.clone();
    tokio::spawn(async move {
        let (mut accepted, mut rejected) = (Vec::new(), 0);
        for number in 0.. {
            match room.publish(number.to_string()) {
                Ok(_) => accepted.push(number),
                Err(PublishError::Disconnected | PublishError::Full) => rejected += 1,
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            if stop.try_recv().is_ok() {
                break;
            }
        }
        (accepted, rejected)
    })
}

#[tokio::test]
async fn messages_lost_during_an_outage_are_reported() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    let mut sessions = [Session::subscriber(&rooms[0]).await, Session::subscriber(&rooms[1]).await];
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let publisher = publish_numbers(&rooms[0], stopped);
    sessions[1].expect_message("0").await;
    nats.stop();
    wait_until(async || matches!(rooms[0].publish("x".into()), Err(PublishError::Disconnected))).await;
    wait_until(async || matches!(rooms[1].publish("x".into()), Err(PublishError::Disconnected))).await;
    // Subscribing gives up waiting for an unreachable server.
    Session::unconfirmed_subscriber(&rooms[1]).await;
    nats.restart().await;
    wait_until(async || rooms[0].publish("x".into()).is_ok()).await;
    wait_until(async || rooms[1].publish("y".into()).is_ok()).await;
    stop.send(()).unwrap();
    let (accepted, rejected) = publisher.await.unwrap();
    assert!(rejected > 0 && !accepted.is_empty());
    let events = publish_until_received(&rooms[0], &mut sessions[1], "end").await;
    assert!(events.iter().any(|event| matches!(event, Event::Lagged(_))), "{events:?}");
    // There are no duplicates, no reordering and no rejected messages.
    let received: Vec<u64> = events
        .iter()
        .filter_map(|event| if let Event::Received(line) = event { line.parse().ok() } else { None })
        .collect();
    assert!(received.is_sorted_by(|one, next| one < next), "{received:?}");
    assert!(received.iter().all(|number| accepted.binary_search(number).is_ok()));
    // The publishing process receives everything it accepted. The lost connection is reported there too.
    let (mut local, mut lagged) = (Vec::new(), false);
    while let Ok((event, _)) = sessions[0].events.try_recv() {
        match event {
            Event::Received(line) => local.extend(line.parse::<u64>()),
            event => lagged |= event == Event::Lagged(0),
        }
    }
    assert_eq!(local, accepted);
    assert!(lagged);
}

#[tokio::test]
async fn history_continues_after_an_outage() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(10_000));
    let mut sessions = [Session::subscriber(&rooms[0]).await, Session::subscriber(&rooms[1]).await];
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let publisher = publish_numbers(&rooms[0], stopped);
    sessions[1].expect_message("0").await;
    nats.stop();
    wait_until(async || matches!(rooms[0].publish("x".into()), Err(PublishError::Disconnected))).await;
    nats.restart().await;
    wait_until(async || rooms[0].publish("x".into()).is_ok()).await;
    stop.send(()).unwrap();
    let (accepted, rejected) = publisher.await.unwrap();
    assert!(rejected > 0);
    let mut all = Vec::new();
    for (room, session) in rooms.iter().zip(&mut sessions) {
        let events = publish_until_received(room, session, "end").await;
        let received: Vec<u64> = events
            .iter()
            .filter_map(|event| if let Event::Received(line) = event { line.parse().ok() } else { None })
            .collect();
        assert!(received.is_sorted_by(|one, next| one < next), "{received:?}");
        assert!(received.iter().all(|number| accepted.binary_search(number).is_ok()));
        // Messages lost on the way to the server are reported as a gap.
        let first = usize::from(received.first() == Some(&1));
        let lost = accepted.len() - first - received.len();
        assert!(
            lost == 0 || events.iter().any(|event| matches!(event, Event::Lagged(_))),
            "{lost} {events:?}"
        );
        all.push(received);
    }
    // Both received the same messages after the first, which was received above.
    all[0].retain(|number| *number != 0);
    assert_eq!(all[0], all[1]);
}

#[tokio::test]
async fn subscription_to_a_history_during_an_outage_is_reported_as_a_gap() {
    let Some(mut nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("room").history(8);
    nats.stop();
    // Another topic, because a lost message of `room` would also cause a gap there.
    let another = hub.topic::<String>("another");
    wait_until(async || matches!(another.publish("x".into()), Err(PublishError::Disconnected))).await;
    let mut session = Session::unconfirmed_subscriber(&room).await;
    nats.restart().await;
    assert_eq!(session.next().await, Event::Lagged(0));
    wait_until(async || room.publish("hello".into()).is_ok()).await;
    session.expect_message("hello").await;
}

#[tokio::test]
async fn dropped_hub_ends_its_connection() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("room").history(4);
    let session = Session::subscriber(&room).await;
    room.members().await;
    wait_until(async || nats.connections().await == 1).await;
    drop((session, room, hub));
    wait_until(async || nats.connections().await == 0).await;
}
