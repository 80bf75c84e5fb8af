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
async fn publish_until_heard(room: &Topic<String>, seat: &mut Seat, word: &str) -> Vec<Told> {
    let mut told = Vec::new();
    loop {
        // Anything may have been lost until now; one of these is not.
        let _ = room.publish(word.to_owned());
        while let Ok(Some((next, _))) = timeout(Duration::from_millis(50), seat.told.recv()).await {
            if next == Told::Heard(word.to_owned()) {
                return told;
            }
            told.push(next);
        }
    }
}

#[tokio::test]
async fn what_is_lost_while_the_server_is_away_is_told() {
    let Some(mut nats) = Nats::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    let mut seats = [Seat::subscriber(&rooms[0]).await, Seat::subscriber(&rooms[1]).await];
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let publisher = publish_on(&rooms[0], stopped);
    seats[1].hears("0").await;
    nats.stop();
    until(async || matches!(rooms[0].publish("x".into()), Err(PublishError::Disconnected))).await;
    until(async || matches!(rooms[1].publish("x".into()), Err(PublishError::Disconnected))).await;
    // A subscription does not wait for ever, nor does anything else.
    assert_eq!(Seat::take(&rooms[1], Begin::Subscribe).await.next().await, Told::Open);
    nats.restart().await;
    until(async || rooms[0].publish("x".into()).is_ok()).await;
    until(async || rooms[1].publish("y".into()).is_ok()).await;
    stop.send(()).unwrap();
    let (taken, refused) = publisher.await.unwrap();
    assert!(refused > 0 && !taken.is_empty());
    let told = publish_until_heard(&rooms[0], &mut seats[1], "end").await;
    assert!(told.iter().any(|told| matches!(told, Told::Lagged(_))), "{told:?}");
    // Nothing twice, nothing out of order, and nothing that was refused.
    let heard: Vec<u64> = told
        .iter()
        .filter_map(|told| if let Told::Heard(line) = told { line.parse().ok() } else { None })
        .collect();
    assert!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
    assert!(heard.iter().all(|number| taken.binary_search(number).is_ok()));
    // At home everything that was taken is heard; that the connection was lost is told there too.
    let (mut at_home, mut lagged) = (Vec::new(), false);
    while let Ok((told, _)) = seats[0].told.try_recv() {
        match told {
            Told::Heard(line) => at_home.extend(line.parse::<u64>()),
            told => lagged |= told == Told::Lagged(0),
        }
    }
    assert_eq!(at_home, taken);
    assert!(lagged);
}

#[tokio::test]
async fn history_goes_on_after_the_server_was_away() {
    let Some(mut nats) = Nats::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(10_000));
    let mut seats = [Seat::subscriber(&rooms[0]).await, Seat::subscriber(&rooms[1]).await];
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let publisher = publish_on(&rooms[0], stopped);
    seats[1].hears("0").await;
    nats.stop();
    until(async || matches!(rooms[0].publish("x".into()), Err(PublishError::Disconnected))).await;
    nats.restart().await;
    until(async || rooms[0].publish("x".into()).is_ok()).await;
    stop.send(()).unwrap();
    let (taken, refused) = publisher.await.unwrap();
    assert!(refused > 0);
    let mut all = Vec::new();
    for (room, seat) in rooms.iter().zip(&mut seats) {
        let told = publish_until_heard(room, seat, "end").await;
        let heard: Vec<u64> = told
            .iter()
            .filter_map(|told| if let Told::Heard(line) = told { line.parse().ok() } else { None })
            .collect();
        assert!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
        assert!(heard.iter().all(|number| taken.binary_search(number).is_ok()));
        // What was lost on the way to the server was told.
        let first = usize::from(heard.first() == Some(&1));
        let lost = taken.len() - first - heard.len();
        assert!(lost == 0 || told.iter().any(|told| matches!(told, Told::Lagged(_))), "{lost} {told:?}");
        all.push(heard);
    }
    // The same in both, from the second one on: the first has been heard.
    all[0].retain(|number| *number != 0);
    assert_eq!(all[0], all[1]);
}

#[tokio::test]
async fn who_subscribes_to_a_history_meanwhile_is_told_when_that_begins() {
    let Some(mut nats) = Nats::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("room").history(8);
    nats.stop();
    // Of what is taken here and lost, those in the room are not told.
    let another = hub.topic::<String>("another");
    until(async || matches!(another.publish("x".into()), Err(PublishError::Disconnected))).await;
    let mut seat = Seat::subscriber(&room).await;
    nats.restart().await;
    assert_eq!(seat.next().await, Told::Lagged(0));
    until(async || room.publish("hello".into()).is_ok()).await;
    seat.hears("hello").await;
}

#[tokio::test]
async fn hub_that_is_dropped_ends_its_connection() {
    let Some(nats) = Nats::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("room").history(4);
    let seat = Seat::subscriber(&room).await;
    room.members().await;
    until(async || nats.connections().await == 1).await;
    drop((seat, room, hub));
    until(async || nats.connections().await == 0).await;
}
