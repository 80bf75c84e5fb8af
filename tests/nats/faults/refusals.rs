//! Scenario 7: a server that refuses what a client may not do.

use ws_core::BrokerError;

use super::*;

/// Connects as a user whose permissions are those of the configuration of [`restricted`].
async fn connect(nats: &NatsServer, user: &str) -> Hub {
    Hub::nats(&nats.url().replace("://", &format!("://{user}:{user}@"))).await.unwrap()
}

/// Starts a server with one user without restrictions, `all`, and one with some, `some`.
async fn restricted(permissions: &str) -> Option<NatsServer> {
    let users = format!(
        "{{ user: all, password: all }}, {{ user: some, password: some, permissions: {{ {permissions} }} }}"
    );
    NatsServer::start_with(&format!("authorization {{ users: [ {users} ] }}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_beyond_the_limit_fail_or_are_reported() {
    let Some(nats) = NatsServer::start_with("max_subscriptions: 12").await else { return };
    for history in [None, Some(16)] {
        let [limited, publisher] = hubs(&nats).await;
        let rooms = |hub: &Hub| -> Vec<_> {
            let room = |number| hub.topic::<String>(format!("room-{number}-{}", history.is_some()));
            (0..30).map(|number| history.map_or(room(number), |len| room(number).history(len))).collect()
        };
        let mut sessions = Vec::new();
        for room in rooms(&limited) {
            let mut session = Session::open(&room, OnOpen::Subscribe).await;
            let opened = session.next().await;
            sessions.push((session, opened));
        }
        let sent = numbered("a", 0..3);
        for room in rooms(&publisher) {
            publish_all(&room, &sent).await;
        }
        publisher.flush().await.unwrap();
        let (mut accepted, mut refused) = (0, 0);
        for (number, (session, opened)) in sessions.iter_mut().enumerate() {
            match opened {
                Event::Open => {
                    accepted += 1;
                    // The subject of messages, or of the marks of a history.
                    let subject = format!("ws.t.room-{number}-{}", history.is_some());
                    assert_eq!(nats.subscriptions(&subject).await, 1, "{subject}");
                    let account = collect(session, &sent, None).await;
                    account.check(&format!("7, history {history:?}, accepted subscription"));
                }
                Event::Failed(_) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        println!("7, history {history:?}: {accepted} accepted, {refused} refused");
        assert!(accepted > 0 && refused > 0);
    }
}

#[tokio::test]
async fn publishing_without_permission_fails_at_the_flush() {
    let Some(nats) = restricted(r#"publish: { deny: ["ws.t.>", "ws.h.>"] }"#).await else { return };
    let hub = connect(&nats, "some").await;
    for history in [None, Some(16)] {
        let room = hub.topic::<String>("room");
        let room = history.map_or(room.clone(), |len: usize| room.history(len));
        room.publish("x".into()).unwrap();
        let flushed = hub.flush().await;
        let Err(BrokerError::Refused(error)) = flushed else { panic!("{history:?}: {flushed:?}") };
        assert!(error.to_string().contains(".room"), "{error}");
        // A flush reports an error once.
        hub.flush().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_messages_of_a_history_are_reported_in_other_processes() {
    let Some(nats) = restricted(r#"publish: { deny: "ws.h.>" }"#).await else { return };
    let hubs = [connect(&nats, "some").await, connect(&nats, "all").await];
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(16));
    let mut session = Session::subscriber(&rooms[1]).await;
    let mut own = Session::subscriber(&rooms[0]).await;
    let since = rooms[1].position().await;
    let sent = numbered("a", 0..3);
    publish_all(&rooms[0], &sent).await;
    assert!(matches!(hubs[0].flush().await, Err(BrokerError::Refused(_))));
    collect(&mut session, &sent, None).await.check("7, refused messages");
    collect(&mut own, &sent, None).await.check("7, refused messages, own process");
    // The history does not have the mark, but the process knows of it.
    let (_, recovered) = resume(&rooms[1], since).await;
    assert_eq!(recovered, Some(false));
}

#[tokio::test]
async fn subscribing_without_permission_fails() {
    for (denied, are_denied) in [
        // A history also needs the subject of its marks.
        ("subscribe: { deny: \"ws.t.>\" }", [true, true]),
        ("subscribe: { deny: \"ws.t.stored\" }", [false, true]),
        ("publish: { deny: \"$JS.API.>\" }", [false, true]),
    ] {
        let Some(nats) = restricted(denied).await else { return };
        let hub = connect(&nats, "some").await;
        let rooms = [hub.topic::<String>("room"), hub.topic::<String>("stored").history(16)];
        for (room, is_denied) in rooms.iter().zip(are_denied) {
            let opened = Session::open(room, OnOpen::Subscribe).await.next().await;
            match opened {
                Event::Open => assert!(!is_denied, "{denied}: {}", room.name()),
                Event::Failed(error) => {
                    assert!(is_denied && error.contains("ermission"), "{denied}: {}: {error}", room.name());
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn missing_permission_for_the_probe_is_reported_at_once() {
    let Some(nats) = restricted("publish: { deny: \"ws.nobody\" }").await else { return };
    let hub = connect(&nats, "some").await;
    let mut session = Session::open(&hub.topic("room"), OnOpen::Subscribe).await;
    let opened =
        timeout(Duration::from_secs(20), session.next()).await.expect("the call waited for a minute");
    assert!(matches!(&opened, Event::Failed(error) if error.contains("ws.nobody")), "{opened:?}");
    let flushed = hub.flush().await;
    assert!(matches!(&flushed, Err(BrokerError::Refused(error)) if error.to_string().contains("ws.nobody")));
    // Messages arrive all the same, and a history needs no probe.
    let other = connect(&nats, "all").await;
    other.topic("room").publish("hello".to_owned()).unwrap();
    while session.next().await != Event::Received("hello".into()) {}
    let mut stored = Session::subscriber(&hub.topic("stored").history(16)).await;
    other.topic("stored").history(16).publish("hello".to_owned()).unwrap();
    stored.expect_message("hello").await;
}

/// Replaces the configuration of a running server.
fn reload(nats: &NatsServer, config: &str) {
    std::fs::write(nats.folder().join("config"), config).unwrap();
    let pid = nats.pid().to_string();
    std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap();
}

#[tokio::test]
async fn revoked_permission_is_reported_and_tried_again() {
    let config = |permissions: &str| {
        format!(
            "authorization {{ users: [ {{ user: some, password: some, permissions: {{ {permissions} }} }} ] }}"
        )
    };
    let all = config("subscribe: \">\"");
    let Some(nats) = NatsServer::start_with(&all).await else { return };
    let hubs = [connect(&nats, "some").await, connect(&nats, "some").await];
    let mut session = Session::subscriber(&hubs[0].topic("room")).await;
    reload(&nats, &config("subscribe: { deny: \"ws.t.>\" }"));
    assert_eq!(session.next().await, Event::Lagged(0));
    let late = Session::open(&hubs[0].topic("room"), OnOpen::Subscribe).await.next().await;
    assert!(matches!(&late, Event::Failed(error) if error.contains("ws.t.room")), "{late:?}");
    reload(&nats, &all);
    // The hub subscribes again after ten seconds.
    assert_eq!(session.next().await, Event::Lagged(0));
    hubs[1].topic("room").publish("hello".to_owned()).unwrap();
    session.expect_message("hello").await;
}

#[tokio::test]
async fn login_that_is_rejected_after_an_outage_is_an_error() {
    let config = |password: &str| format!("authorization {{ user: some, password: {password} }}");
    let Some(mut nats) = NatsServer::start_with(&config("some")).await else { return };
    let hub = connect(&nats, "some").await;
    let room = hub.topic::<String>("room");
    nats.stop();
    std::fs::write(nats.folder().join("config"), config("another")).unwrap();
    nats.restart().await;
    wait_until(async || matches!(hub.flush().await, Err(BrokerError::Refused(_)))).await;
    let opened = Session::open(&room, OnOpen::Subscribe).await.next().await;
    assert!(
        matches!(&opened, Event::Failed(error) if error.contains("authorization violation")),
        "{opened:?}"
    );
}
