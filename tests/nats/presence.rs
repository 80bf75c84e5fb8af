//! Presence of members across processes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use ws_core::async_nats::jetstream;

use super::*;

/// Creates the store before the hub does, with another expiry.
pub async fn store(nats: &NatsServer, expiry: Duration) -> jetstream::stream::Stream {
    let client = ws_core::async_nats::connect(nats.url()).await.unwrap();
    let config = jetstream::stream::Config {
        name: "KV_ws_presence".to_owned(),
        subjects: vec!["$KV.ws_presence.>".to_owned()],
        max_messages_per_subject: 1,
        max_age: expiry,
        discard: jetstream::stream::DiscardPolicy::New,
        allow_rollup: true,
        ..Default::default()
    };
    jetstream::new(client).create_stream(config).await.unwrap()
}

async fn names(room: &Topic<String>) -> Vec<String> {
    let mut names: Vec<_> = room.members().await.iter().map(|member| member.name.to_string()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn members_of_all_processes_are_listed_and_watched() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room: a.b"));
    assert!(names(&rooms[0]).await.is_empty());
    let _anna = Session::open(&rooms[0], OnOpen::Join("anna")).await;
    let mut watcher = Session::open(&rooms[0], OnOpen::Watch).await;
    // The existing member is reported before or after `watch` returns.
    let mut events = [watcher.next().await, watcher.next().await];
    events.sort_by_key(|event| *event == Event::Open);
    assert_eq!(events, [Event::Joined("anna".into()), Event::Open]);
    let mut ben = Session::open(&rooms[1], OnOpen::Join("ben")).await;
    assert_eq!(watcher.next().await, Event::Joined("ben".into()));
    for room in &rooms {
        wait_until(async || names(room).await == ["anna", "ben"]).await;
    }
    let members = rooms[1].members().await;
    assert_ne!(members[0].id, members[1].id);
    assert_eq!(&*members[0].topic, "room: a.b");
    // Other rooms have no members, even if their names share a prefix.
    for other in ["room", "room: a", "*", ">"] {
        assert!(names(&hubs[0].topic::<String>(other)).await.is_empty());
    }
    ben.send("leave").await;
    assert_eq!(watcher.next().await, Event::Left("ben".into()));
    wait_until(async || names(&rooms[1]).await == ["anna"]).await;
    // A connection that closes leaves the topic.
    let carl = Session::open(&rooms[1], OnOpen::Join("carl")).await;
    assert_eq!(watcher.next().await, Event::Joined("carl".into()));
    drop(carl);
    assert_eq!(watcher.next().await, Event::Left("carl".into()));
}

/// Old servers skip messages of a consumer after a purge, so the hub must not purge entries.
#[tokio::test]
async fn simultaneous_joins_and_leaves_are_all_reported() {
    const MEMBERS: usize = 20;
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    let mut watcher = Session::open(&rooms[0], OnOpen::Watch).await;
    assert_eq!(watcher.next().await, Event::Open);
    let mut members = Vec::new();
    for n in 0..MEMBERS {
        members.push(Session::open(&rooms[1], OnOpen::Join(["even", "odd"][n % 2])).await);
    }
    for _ in 0..MEMBERS {
        assert!(matches!(watcher.next().await, Event::Joined(_)));
    }
    let start = Instant::now();
    drop(members);
    for _ in 0..MEMBERS {
        assert!(matches!(watcher.next().await, Event::Left(_)));
    }
    // A longer time means that the members were skipped and then expired.
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    assert!(names(&rooms[0]).await.is_empty());
}

#[tokio::test]
async fn members_of_a_dead_process_expire_and_others_stay() {
    let Some(mut nats) = NatsServer::start().await else { return };
    // The expiry is shorter than the hub's default.
    let expiry = Duration::from_secs(2);
    store(&nats, expiry).await;

    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room"));
    let mut watcher = Session::open(&rooms[0], OnOpen::Watch).await;
    assert_eq!(watcher.next().await, Event::Open);
    let _ben = Session::open(&rooms[1], OnOpen::Join("ben")).await;
    assert_eq!(watcher.next().await, Event::Joined("ben".into()));

    let url = nats.url();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let dying = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let session = runtime.block_on(async {
            let room = Hub::nats(&url).await.unwrap().topic::<String>("room");
            Session::open(&room, OnOpen::Join("dora")).await
        });
        stopped.recv().unwrap();
        // Without a runtime, the process cannot announce that its members leave.
        runtime.shutdown_background();
        std::mem::forget(session);
    });
    assert_eq!(watcher.next().await, Event::Joined("dora".into()));
    assert_eq!(names(&rooms[1]).await, ["ben", "dora"]);
    // Both processes refresh their entries, so the members outlive the expiry.
    tokio::time::sleep(2 * expiry).await;
    assert!(watcher.events.try_recv().is_err());
    stop.send(()).unwrap();
    dying.join().unwrap();
    let died = Instant::now();
    assert_eq!(watcher.next().await, Event::Left("dora".into()));
    println!("expired after {:?}", died.elapsed());
    wait_until(async || names(&rooms[1]).await == ["ben"]).await;

    // A restarted server gets the members of running processes again.
    nats.stop();
    assert_eq!(watcher.next().await, Event::Left("ben".into()));
    nats.restart().await;
    assert_eq!(watcher.next().await, Event::Joined("ben".into()));
}

/// A separate process: Eve joins, and the process prints its events until its standard input ends.
#[tokio::test]
#[ignore = "run by `suspended_process_resumes_without_losing_members`"]
async fn eve_process() {
    let Ok(url) = std::env::var("EVE_NATS_URL") else { return };
    let room = Hub::nats(&url).await.unwrap().topic::<String>("room");
    let _eve = Session::open(&room, OnOpen::Join("eve")).await;
    let mut watcher = Session::open(&room, OnOpen::Watch).await;
    let input_ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    let events = async {
        while let Some((event, _)) = watcher.events.recv().await {
            println!("event {event:?}");
        }
    };
    tokio::select! {
        () = events => {}
        _ = input_ended => {}
    }
}

fn signal(process: &Child, name: &str) {
    let status = Command::new("kill").args([name, &process.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// A child process that is killed on drop.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn suspended_process_resumes_without_losing_members() {
    let Some(nats) = NatsServer::start().await else { return };
    store(&nats, Duration::from_secs(4)).await;
    let room = Hub::nats(&nats.url()).await.unwrap().topic::<String>("room");
    let _frank = Session::open(&room, OnOpen::Join("frank")).await;
    let mut watcher = Session::open(&room, OnOpen::Watch).await;
    let mut events = [watcher.next().await, watcher.next().await];
    events.sort_by_key(|event| *event == Event::Open);
    assert_eq!(events, [Event::Joined("frank".into()), Event::Open]);

    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "presence::eve_process", "--ignored", "--nocapture"]);
    command.env("EVE_NATS_URL", nats.url()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut eve = Process(command.spawn().unwrap());
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let output = BufReader::new(eve.0.stdout.take().unwrap());
    std::thread::spawn(move || {
        let lines = output.lines().map_while(Result::ok);
        // The test harness prints the beginning of a line before the first event.
        let lines = lines.filter_map(|line| Some(line[line.find("event ")?..].to_owned()));
        lines.for_each(|line| drop(sender.send(line)));
    });
    let mut next_line =
        async || timeout(TIMEOUT, receiver.recv()).await.expect("timed out waiting for output");
    assert_eq!(watcher.next().await, Event::Joined("eve".into()));
    let frank_is_there = r#"event Joined("frank")"#;
    while next_line().await.unwrap() != frank_is_there {}

    signal(&eve.0, "-STOP");
    assert_eq!(watcher.next().await, Event::Left("eve".into()));
    signal(&eve.0, "-CONT");
    assert_eq!(watcher.next().await, Event::Joined("eve".into()));
    // The other members have stayed announced, so none of them left.
    drop(eve.0.stdin.take());
    while let Some(line) = next_line().await {
        assert!(!line.contains("frank"), "{line}");
    }
    assert_eq!(watcher.next().await, Event::Left("eve".into()));
}
