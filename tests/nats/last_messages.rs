//! The last messages of a history on the broker, for new subscribers.

use super::*;

/// Checks the messages that a new subscriber receives before any live message.
async fn check(room: &Topic<String>, since: Since, expect: &[&str]) -> (Session, Option<Position>) {
    let (mut session, recovery) = Session::from(room, since).await;
    assert!(recovery.recovered, "{since:?}");
    let mut last = None;
    for line in expect {
        last = session.expect_message(line).await;
    }
    assert!(expect.is_empty() || last == recovery.position, "{since:?}: {last:?} {recovery:?}");
    assert!(session.events.try_recv().is_err());
    (session, recovery.position)
}

#[tokio::test]
async fn last_messages_are_those_of_the_topic_alone() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(4));
    let others = hubs[1].topic::<String>("another").history(4);
    let mut sessions = Vec::new();
    for since in [Since::Last(2), Since::Beginning, Since::Last(0)] {
        sessions.push(check(&rooms[0], since, &[]).await.0);
    }
    for line in ["1", "2", "3", "4", "5", "6"] {
        others.publish("elsewhere".into()).unwrap();
        rooms[1].publish(line.into()).unwrap();
        for session in &mut sessions {
            session.expect_message(line).await;
        }
    }
    let mut positions = Vec::new();
    for (since, expect) in [
        (Since::Last(2), &["5", "6"][..]),
        (Since::Last(0), &[]),
        (Since::Last(4), &["3", "4", "5", "6"]),
        // The stream retains one message more as a proof. A subscriber does not receive it.
        (Since::Last(5), &["3", "4", "5", "6"]),
        (Since::Beginning, &["3", "4", "5", "6"]),
    ] {
        for room in &rooms {
            let (session, position) = check(room, since, expect).await;
            sessions.push(session);
            positions.push(position);
        }
    }
    assert!(positions[0].is_some() && positions.iter().all(|position| *position == positions[0]));
    rooms[0].publish("live".into()).unwrap();
    for session in &mut sessions {
        session.expect_message("live").await;
        assert!(session.events.try_recv().is_err());
    }
    // The reported position can be used for a recovery.
    let (mut back, recovery) = Session::from(&rooms[1], positions[0]).await;
    assert!(recovery.recovered);
    back.expect_message("live").await;
}

#[tokio::test]
async fn last_messages_of_a_long_history_are_found_among_other_topics() {
    const MESSAGES: u32 = 3000;
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let room = hubs[0].topic::<String>("room").history(2500);
    let other = hubs[0].topic::<String>("another").history(2500);
    let mut witness = Session::subscriber(&room).await;
    for number in 0..MESSAGES {
        room.publish(number.to_string()).unwrap();
        // Most messages of the other topic are at one place, so that the first guess is wrong.
        if number == MESSAGES - 100 {
            (0..2000).for_each(|_| drop(other.publish("elsewhere".into()).unwrap()));
        }
    }
    for number in 0..MESSAGES {
        witness.expect_message(&number.to_string()).await;
    }
    let room = hubs[1].topic::<String>("room").history(2500);
    for len in [1, 50, 150, 2000, 2500, 2600] {
        let lines: Vec<_> = (MESSAGES - len.min(2500)..MESSAGES).map(|number| number.to_string()).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        check(&room, Since::Last(len as usize), &lines).await;
    }
}

/// Subscribes repeatedly during publishing: each subscriber gets the last messages and all that follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_loss_and_no_duplicate_between_last_and_live_messages() {
    const MESSAGES: u32 = 600;
    const LAST: usize = 20;
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(64));
    let publisher = tokio::spawn({
        let room = rooms[0].clone();
        async move {
            for number in 0..MESSAGES {
                room.publish(number.to_string()).unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let mut sessions = Vec::new();
    while !publisher.is_finished() {
        let (session, recovery) = Session::from(&rooms[sessions.len() % 2], Since::Last(LAST)).await;
        assert!(recovery.recovered);
        sessions.push((session, recovery.position));
    }
    publisher.await.unwrap();
    for (mut session, position) in sessions {
        let (mut received, mut before) = (Vec::new(), 0);
        while received.last() != Some(&(MESSAGES - 1)) {
            let (event, at) = session.next_with_position().await;
            let Event::Received(line) = event else { panic!("{event:?}") };
            received.push(line.parse::<u32>().unwrap());
            before += usize::from(at.unwrap().offset <= position.unwrap().offset);
        }
        assert!(received.windows(2).all(|two| two[0] + 1 == two[1]), "{received:?}");
        // The subscriber got the requested number, or all messages if there were fewer.
        let first = received[0] as usize;
        assert!(
            before == LAST || (first == 0 && before < LAST),
            "{before} before {position:?}: {received:?}"
        );
    }
}
