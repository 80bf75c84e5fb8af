//! The broker does not answer for one topic, or not for long; others go on.

use tests::nats::Lossy;
use ws_core::async_nats;

use super::*;

#[tokio::test]
async fn what_is_kept_goes_on_while_another_stream_cannot_be_made() {
    let Some(nats) = Nats::start().await else { return };
    let lossy = Lossy::before(&nats).await;
    let hub = Hub::nats(&lossy.url()).await.unwrap();
    lossy.lose("WS_HISTORY_8_300");
    let stuck = hub.topic::<String>("stuck").history(8);
    let room = hub.topic::<String>("room").history(16);
    let mut seat = Seat::subscriber(&room).await;
    // As long as it takes to find out for each of them, nobody waits here.
    (0..100).for_each(|line| stuck.publish(line.to_string()).unwrap());
    until(async || lossy.lost() > 0).await;
    for line in ["1", "2", "3"] {
        room.publish(line.into()).unwrap();
    }
    for line in ["1", "2", "3"] {
        seat.hears(line).await;
    }
}

#[tokio::test]
async fn who_comes_back_does_not_wait_for_those_who_get_no_answer() {
    let Some(nats) = Nats::start().await else { return };
    let lossy = Lossy::before(&nats).await;
    let hub = Hub::nats(&lossy.url()).await.unwrap();
    // One of the same stream, and one of another.
    let rooms = [("stuck", 8), ("near", 8), ("far", 16)]
        .map(|(name, len): (_, usize)| hub.topic::<String>(name).history(len));
    let mut seats = Vec::new();
    for room in &rooms {
        let mut seat = Seat::subscriber(room).await;
        room.publish("1".into()).unwrap();
        room.publish("2".into()).unwrap();
        let since = seat.hears("1").await;
        seat.hears("2").await;
        seats.push((seat, since));
    }
    // Consumers of that subject.
    lossy.lose(":\"ws.h.8_300.stuck\"");
    let mut stuck = Vec::new();
    for _ in 0..500 {
        stuck.push(Seat::take(&rooms[0], Begin::From(seats[0].1)).await);
    }
    until(async || lossy.lost() > 0).await;
    for (room, (_, since)) in rooms.iter().zip(&seats).skip(1) {
        let (mut back, recovery) = Seat::from(room, *since).await;
        assert!(recovery.recovered, "{}", room.name());
        back.hears("2").await;
    }
    // Whoever gets no answer goes on without.
    let mut first = stuck.swap_remove(0);
    assert_eq!(first.next().await, Told::Recovered(Recovery::default()));
    rooms[0].publish("3".into()).unwrap();
    first.hears("3").await;
}

#[tokio::test]
async fn subscription_that_begins_late_is_told_to_who_has_not_waited_for_it() {
    let Some(nats) = Nats::start().await else { return };
    let lossy = Lossy::before(&nats).await;
    let hub = Hub::nats(&lossy.url()).await.unwrap();
    let _before = Seat::subscriber(&hub.topic("before").history(8)).await;
    let (kept, plain) = (hub.topic::<String>("kept").history(8), hub.topic::<String>("plain"));
    // Questions about streams, and the one that says that the server has seen to what was before.
    for (room, question) in [(kept, "$JS.API.STREAM.INFO."), (plain, "ws.nobody")] {
        lossy.lose(question);
        // That takes five seconds.
        let mut seat = Seat::subscriber(&room).await;
        lossy.find().await;
        assert_eq!(seat.next().await, Told::Lagged(0), "{}", room.name());
        room.publish("hello".into()).unwrap();
        seat.hears("hello").await;
    }
}

#[tokio::test]
async fn consumers_end_with_those_who_read() {
    let Some(nats) = Nats::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let rooms = [1, 2, 3].map(|number| hub.topic::<String>(format!("room {number}")).history(8));
    let mut seats = Vec::new();
    for room in &rooms {
        let mut seat = Seat::subscriber(room).await;
        room.publish("1".into()).unwrap();
        let since = seat.hears("1").await;
        seats.push(Seat::from(room, since).await.0);
        seats.push(seat);
    }
    let client = async_nats::connect(nats.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("WS_HISTORY_8_300").await.unwrap();
    let consumers = async || stream.get_info().await.unwrap().state.consumer_count;
    until(async || consumers().await == rooms.len()).await;
    drop(seats);
    // Sooner than the server would see to it.
    let deleted = until(async || consumers().await == 0);
    timeout(Duration::from_secs(20), deleted).await.expect("they are deleted");
}
