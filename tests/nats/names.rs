//! Topic names from untrusted input.

use super::*;

#[tokio::test]
async fn hostile_names_never_reach_another_topic() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let names = [
        "",
        "=",
        "a",
        "A",
        "a.b",
        "a.*",
        "*",
        ">",
        "a.>",
        ".",
        "..",
        " ",
        "a b",
        "\r\n",
        "\0",
        "a\tb",
        "é",
        "e\u{301}",
        "=2A",
        "%2A",
        "$SYS.>",
        "_INBOX.x",
        "🦀",
        "room:lobby",
        "room=3Alobby",
        "PUB x 1\r\ny\r\n",
    ];
    for history in [None, Some(4)] {
        let topic = |hub: &Hub, name: &str| {
            let room = hub.topic::<String>(name);
            history.map_or(room.clone(), |len: usize| room.history(len))
        };
        let mut sessions = Vec::new();
        for name in names {
            sessions.push(Session::subscriber(&topic(&hubs[0], name)).await);
        }
        for name in names {
            topic(&hubs[1], name).publish(name.to_owned()).unwrap();
        }
        for (session, name) in sessions.iter_mut().zip(names) {
            session.expect_message(name).await;
        }
        // A message that reached a wrong topic would arrive before this second one.
        for name in names {
            topic(&hubs[1], name).publish("again".to_owned()).unwrap();
        }
        for session in &mut sessions {
            session.expect_message("again").await;
            assert!(session.events.try_recv().is_err());
        }
    }
}

#[tokio::test]
async fn too_long_name_is_an_error() {
    let Some(nats) = NatsServer::start().await else { return };
    let hub = Hub::nats(&nats.url()).await.unwrap();
    let room = hub.topic::<String>("ö".repeat(5_000)).history(4);
    let error = room.publish("hello".into()).unwrap_err();
    assert!(matches!(error, PublishError::Name { size: 30_000, limit: 400 }), "{error}");
    for begin in [OnOpen::Subscribe, OnOpen::From(Since::Now), OnOpen::Watch, OnOpen::Join("anna")] {
        // `join` returns the error in addition to `#[on_error]`.
        let expect = if matches!(begin, OnOpen::Join(_)) { 2 } else { 1 };
        let mut session = Session::open(&room, begin).await;
        let mut failed = 0;
        while failed < expect {
            match session.next().await {
                Event::Failed(error) => {
                    assert!(error.contains("takes 30000 bytes"), "{error}");
                    failed += 1;
                }
                Event::Open => {}
                Event::Recovered(recovery) => assert_eq!(recovery, Recovery::default()),
                other => panic!("{other:?}"),
            }
        }
        // The connection stays open, and its publishes fail as well.
        session.send("hello").await;
        assert!(matches!(session.next().await, Event::Failed(_)));
    }
    assert_eq!(room.subscribers(), 0);
    assert!(room.members().await.is_empty());
}
