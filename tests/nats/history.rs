//! Histories on the broker, and recovery in another process.

use ws_core::History;
use ws_core::async_nats;

use super::*;

fn at(position: Option<Position>) -> Position {
    position.expect("a message of a history has a position")
}

/// Publishes lines and waits until the session has received them. Returns their positions.
async fn publish(room: &Topic<String>, session: &mut Session, lines: &[&str]) -> Vec<Position> {
    let mut positions = Vec::new();
    for line in lines {
        room.publish((*line).to_owned()).unwrap();
    }
    for line in lines {
        positions.push(at(session.expect_message(line).await));
    }
    positions
}

#[tokio::test]
async fn recovery_in_another_process_delivers_missed_messages() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(4));
    // Another topic shares the stream, so the offsets of one topic are not consecutive.
    let others = hubs.each_ref().map(|hub| hub.topic::<String>("another").history(4));
    let mut session = Session::subscriber(&rooms[0]).await;
    others[1].publish("elsewhere".into()).unwrap();
    let first = publish(&rooms[1], &mut session, &["1", "2"]).await;
    others[0].publish("elsewhere".into()).unwrap();
    let second = publish(&rooms[0], &mut session, &["3", "4", "5"]).await;
    assert_eq!(first[0].epoch, second[0].epoch);
    assert!(first.iter().chain(&second).is_sorted_by_key(|position| position.offset));

    // The stream has the last four messages, and the one before them as a proof of completeness.
    let mut backs = Vec::new();
    for (room, since, expect) in [
        (&rooms[1], first[0], &["2", "3", "4", "5"][..]),
        (&rooms[0], second[0], &["4", "5"]),
        (&rooms[1], second[2], &[]),
    ] {
        let (mut back, recovery) = Session::from(room, Some(since)).await;
        assert_eq!(recovery, Recovery { recovered: true, position: Some(second[2]) });
        for line in expect {
            back.expect_message(line).await;
        }
        assert!(back.events.try_recv().is_err());
        backs.push(back);
    }
    rooms[1].publish("live".into()).unwrap();
    session.expect_message("live").await;
    for back in &mut backs {
        back.expect_message("live").await;
    }
    check_not_recoverable(&rooms, &mut session, first[0]).await;
}

async fn check_not_recoverable(rooms: &[Topic<String>; 2], session: &mut Session, gone: Position) {
    // Five messages follow the position, and the stream retains five.
    let (mut back, recovery) = Session::from(&rooms[0], Some(gone)).await;
    assert!(!recovery.recovered);
    let mut near = Session::subscriber(&rooms[1]).await;
    let positions = publish(&rooms[1], session, &["only this"]).await;
    back.expect_message("only this").await;
    // A process that has not received the message yet would return an earlier position.
    near.expect_message("only this").await;
    assert!(recovery.position.unwrap().offset < positions[0].offset);
    // A position of another history, one beyond the end, and none.
    let other = Position { epoch: gone.epoch ^ 1, ..positions[0] };
    let future = Position { offset: positions[0].offset + 1000, ..positions[0] };
    for since in [Some(other), Some(future), None] {
        let (_, recovery) = Session::from(&rooms[1], since).await;
        assert_eq!(recovery, Recovery { recovered: false, position: Some(positions[0]) }, "{since:?}");
    }
    for room in rooms {
        assert_eq!(room.position().await, Some(positions[0]));
    }
    // The last position stays recoverable.
    let (_, recovery) = Session::from(&rooms[0], Some(positions[0])).await;
    assert!(recovery.recovered);
}

#[tokio::test]
async fn recovery_from_before_the_first_message_is_complete() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(4));
    let (session, begin) = Session::from(&rooms[0], None).await;
    assert!(!begin.recovered);
    drop(session);
    let mut other = Session::subscriber(&rooms[1]).await;
    publish(&rooms[1], &mut other, &["1", "2", "3", "4"]).await;
    let (mut back, recovery) = Session::from(&rooms[0], begin.position).await;
    assert!(recovery.recovered);
    for line in ["1", "2", "3", "4"] {
        back.expect_message(line).await;
    }
    // The fifth message exceeds the history.
    publish(&rooms[1], &mut other, &["5"]).await;
    let (_, recovery) = Session::from(&rooms[0], begin.position).await;
    assert!(!recovery.recovered);
}

#[tokio::test]
async fn expired_messages_are_not_recovered_unless_nothing_followed() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let history = History::new(16).ttl(Duration::from_secs(1));
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(history));
    let mut session = Session::subscriber(&rooms[0]).await;
    let positions = publish(&rooms[1], &mut session, &["1", "2"]).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("WS_HISTORY_16_1").await.unwrap();
    wait_until(async || stream.get_info().await.unwrap().state.messages == 0).await;
    // This process knows that nothing followed the position. The other process cannot know that.
    let (_, recovery) = Session::from(&rooms[0], Some(positions[1])).await;
    assert!(recovery.recovered);
    let (_, recovery) = Session::from(&rooms[0], Some(positions[0])).await;
    assert!(!recovery.recovered);
    let (_, recovery) = Session::from(&rooms[1], Some(positions[0])).await;
    assert!(!recovery.recovered);
}

/// Reconnects repeatedly while both processes publish, and counts the received messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_loss_and_no_duplicate_between_recovery_and_live_messages() {
    const MESSAGES: u32 = 1000;
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(2 * MESSAGES as usize));
    let (session, mut begin) = Session::from(&rooms[1], None).await;
    drop(session);
    let publisher = tokio::spawn({
        let rooms = rooms.clone();
        async move {
            for number in 0..MESSAGES {
                rooms[number as usize % 2].publish(number.to_string()).unwrap();
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        }
    });
    let mut received = Vec::new();
    for attempt in 0.. {
        let mut session = Session::open(&rooms[attempt % 2], OnOpen::From(begin.position.into())).await;
        let mut recovered = false;
        let begins = received.len();
        while received.len() < MESSAGES as usize && (!recovered || received.len() < begins + 50) {
            match session.next_with_position().await {
                (Event::Received(line), position) => {
                    received.push(line.parse::<u32>().unwrap());
                    begin.position = position;
                }
                (Event::Recovered(recovery), _) => {
                    assert!(recovery.recovered, "in attempt {attempt}");
                    recovered = true;
                }
                (event, _) => panic!("{event:?}"),
            }
        }
        if received.len() == MESSAGES as usize {
            break;
        }
    }
    publisher.await.unwrap();
    let order = received.clone();
    received.sort_unstable();
    let duplicates: Vec<_> = received.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0]).collect();
    let missing: Vec<_> = (0..MESSAGES).filter(|number| !received.contains(number)).collect();
    assert!(
        duplicates.is_empty() && missing.is_empty(),
        "duplicate {duplicates:?}, missing {missing:?} of {order:?}"
    );
}

/// Messages that are received before the answer to a request is handled are later than that answer. Such an
/// answer does not prove that the stream has lost its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recoveries_while_messages_arrive_do_not_renew_the_epoch() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let room = hubs[0].topic::<String>("room").history(100_000);
    let (session, mut begin) = Session::from(&room, None).await;
    drop(session);
    let publisher = tokio::spawn({
        let room = room.clone();
        async move {
            loop {
                // A full queue refuses the message.
                let _ = room.publish("line".into());
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        }
    });
    for _ in 0..25 {
        // Each recovers in a process that receives all messages.
        let sessions = (0..4).map(|_| Session::open(&room, OnOpen::From(begin.position.into())));
        for mut session in futures_util::future::join_all(sessions).await {
            let recovery = loop {
                if let (Event::Recovered(recovery), _) = session.next_with_position().await {
                    break recovery;
                }
            };
            assert!(recovery.recovered);
            begin = recovery;
        }
    }
    publisher.abort();
}

#[tokio::test]
async fn deleted_stream_is_created_again_and_reported_as_a_gap() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(4));
    let mut session = Session::subscriber(&rooms[0]).await;
    let before = publish(&rooms[1], &mut session, &["1"]).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    async_nats::jetstream::new(client).delete_stream("WS_HISTORY_4_300").await.unwrap();
    // The first message discovers that the stream is gone.
    let mut lagged = false;
    let after = loop {
        rooms[1].publish("2".into()).unwrap();
        match timeout(Duration::from_millis(200), session.events.recv()).await {
            Ok(Some((Event::Received(_), position))) => break at(position),
            Ok(Some((Event::Lagged(_), _))) => lagged = true,
            other => assert!(other.is_err(), "{other:?}"),
        }
    };
    assert!(lagged && after.epoch != before[0].epoch);
    let (_, recovery) = Session::from(&rooms[1], Some(before[0])).await;
    assert!(!recovery.recovered);
}

#[tokio::test]
async fn history_can_be_enabled_outside_a_runtime() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    // This thread has no runtime.
    let room = std::thread::spawn({
        let hub = hub.clone();
        move || hub.topic::<String>("room").history(8)
    });
    let room = room.join().unwrap();
    let mut session = Session::subscriber(&room).await;
    publish(&room, &mut session, &["1"]).await;
}

/// A handler that starts two recoveries and awaits neither.
#[websocket]
struct DoubleRecovery {
    room: Topic<String>,
    since: Option<Position>,
    messages: mpsc::UnboundedSender<String>,
}

#[websocket]
impl DoubleRecovery {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        for _ in 0..2 {
            drop(cx.subscribe_from(&self.room, self.since));
        }
    }

    #[on_info]
    fn on_published(&mut self, line: Published<String>) {
        let _ = self.messages.send(line.to_string());
    }
}

#[tokio::test]
async fn concurrent_recoveries_deliver_each_message_once() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("room").history(8);
    let mut witness = Session::subscriber(&room).await;
    room.publish("0".into()).unwrap();
    let since = witness.expect_message("0").await;
    for line in ["1", "2", "3"] {
        room.publish(line.into()).unwrap();
        witness.expect_message(line).await;
    }
    let (messages, mut received) = mpsc::unbounded_channel();
    let client = drive(DoubleRecovery { room: room.clone(), since, messages }).await;
    for line in ["1", "2", "3", "end"] {
        if line == "end" {
            room.publish(line.into()).unwrap();
        }
        let message = timeout(TIMEOUT, received.recv()).await.expect("timed out waiting for a message");
        assert_eq!(message.as_deref(), Some(line));
    }
    drop(client);
}
