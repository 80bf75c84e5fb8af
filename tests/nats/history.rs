//! Histories in the broker, and who comes back to another process.

use ws_core::History;
use ws_core::async_nats;

use super::*;

fn at(position: Option<Position>) -> Position {
    position.expect("a position")
}

/// Publishes lines and waits until a subscriber has heard them; where they stand.
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
async fn who_comes_back_elsewhere_gets_what_it_missed() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(4));
    // Others in the same stream, so that the offsets are not those of one topic.
    let others = hubs.each_ref().map(|hub| hub.topic::<String>("another").history(4));
    let mut session = Session::subscriber(&rooms[0]).await;
    others[1].publish("elsewhere".into()).unwrap();
    let first = publish(&rooms[1], &mut session, &["1", "2"]).await;
    others[0].publish("elsewhere".into()).unwrap();
    let second = publish(&rooms[0], &mut session, &["3", "4", "5"]).await;
    assert_eq!(first[0].epoch, second[0].epoch);
    assert!(first.iter().chain(&second).is_sorted_by_key(|position| position.offset));

    // The last four are there, and the one before them as the proof.
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
    // Five have come after it, and the stream keeps five.
    let (mut back, recovery) = Session::from(&rooms[0], Some(gone)).await;
    assert!(!recovery.recovered);
    let positions = publish(&rooms[1], session, &["only this"]).await;
    back.expect_message("only this").await;
    assert!(recovery.position.unwrap().offset < positions[0].offset);
    // From another history, from the future, from nowhere.
    let other = Position { epoch: gone.epoch ^ 1, ..positions[0] };
    let future = Position { offset: positions[0].offset + 1000, ..positions[0] };
    for since in [Some(other), Some(future), None] {
        let (_, recovery) = Session::from(&rooms[1], since).await;
        assert_eq!(recovery, Recovery { recovered: false, position: Some(positions[0]) }, "{since:?}");
    }
    for room in rooms {
        assert_eq!(room.position().await, Some(positions[0]));
    }
    // Each of these is the last, and stays it.
    let (_, recovery) = Session::from(&rooms[0], Some(positions[0])).await;
    assert!(recovery.recovered);
}

#[tokio::test]
async fn who_comes_before_the_first_message_misses_none() {
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
    // Now five are too many.
    publish(&rooms[1], &mut other, &["5"]).await;
    let (_, recovery) = Session::from(&rooms[0], begin.position).await;
    assert!(!recovery.recovered);
}

#[tokio::test]
async fn what_is_too_old_is_forgotten_but_a_quiet_room_is_not() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let history = History::new(16).ttl(Duration::from_secs(1));
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(history));
    let mut session = Session::subscriber(&rooms[0]).await;
    let positions = publish(&rooms[1], &mut session, &["1", "2"]).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("WS_HISTORY_16_1").await.unwrap();
    wait_until(async || stream.get_info().await.unwrap().state.messages == 0).await;
    // This process has heard that nothing came after it; for the other one all of it is gone.
    let (_, recovery) = Session::from(&rooms[0], Some(positions[1])).await;
    assert!(recovery.recovered);
    let (_, recovery) = Session::from(&rooms[0], Some(positions[0])).await;
    assert!(!recovery.recovered);
    let (_, recovery) = Session::from(&rooms[1], Some(positions[0])).await;
    assert!(!recovery.recovered);
}

/// Comes and goes while others publish, and counts what it hears.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_twice_between_recovery_and_what_follows() {
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
    let mut heard = Vec::new();
    for round in 0.. {
        let mut session = Session::open(&rooms[round % 2], OnOpen::From(begin.position.into())).await;
        let mut recovered = false;
        let begins = heard.len();
        while heard.len() < MESSAGES as usize && (!recovered || heard.len() < begins + 50) {
            match session.next_with_position().await {
                (Event::Received(line), position) => {
                    heard.push(line.parse::<u32>().unwrap());
                    begin.position = position;
                }
                (Event::Recovered(recovery), _) => {
                    assert!(recovery.recovered, "in round {round}");
                    recovered = true;
                }
                (told, _) => panic!("{told:?}"),
            }
        }
        if heard.len() == MESSAGES as usize {
            break;
        }
    }
    publisher.await.unwrap();
    let order = heard.clone();
    heard.sort_unstable();
    let twice: Vec<_> = heard.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0]).collect();
    let missing: Vec<_> = (0..MESSAGES).filter(|number| !heard.contains(number)).collect();
    assert!(twice.is_empty() && missing.is_empty(), "twice {twice:?}, missing {missing:?} of {order:?}");
}

#[tokio::test]
async fn stream_that_is_gone_is_made_anew_and_that_is_told() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(4));
    let mut session = Session::subscriber(&rooms[0]).await;
    let before = publish(&rooms[1], &mut session, &["1"]).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    async_nats::jetstream::new(client).delete_stream("WS_HISTORY_4_300").await.unwrap();
    // The first finds out.
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
async fn history_is_kept_from_any_thread() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    // No runtime is there.
    let room = std::thread::spawn({
        let hub = hub.clone();
        move || hub.topic::<String>("room").history(8)
    });
    let room = room.join().unwrap();
    let mut session = Session::subscriber(&room).await;
    publish(&room, &mut session, &["1"]).await;
}

/// Looks twice for what it has missed, and waits for neither.
#[websocket]
struct Hasty {
    room: Topic<String>,
    since: Option<Position>,
    tell: mpsc::UnboundedSender<String>,
}

#[websocket]
impl Hasty {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        for _ in 0..2 {
            drop(cx.subscribe_from(&self.room, self.since));
        }
    }

    #[on_info]
    fn heard(&mut self, line: Published<String>) {
        let _ = self.tell.send(line.to_string());
    }
}

#[tokio::test]
async fn who_looks_twice_hears_it_once() {
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
    let (tell, mut told) = mpsc::unbounded_channel();
    let client = drive(Hasty { room: room.clone(), since, tell }).await;
    for line in ["1", "2", "3", "end"] {
        if line == "end" {
            room.publish(line.into()).unwrap();
        }
        let heard = timeout(TIMEOUT, told.recv()).await.expect("something is heard");
        assert_eq!(heard.as_deref(), Some(line));
    }
    drop(client);
}
