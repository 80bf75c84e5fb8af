//! Who is there, in all processes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use ws_core::async_nats::jetstream;

use super::*;

/// Makes the store beforehand, in which members expire after so long.
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
async fn members_of_all_processes_are_known_and_watched() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room: a.b"));
    assert!(names(&rooms[0]).await.is_empty());
    let _anna = Session::open(&rooms[0], OnOpen::Join("anna")).await;
    let mut watcher = Session::open(&rooms[0], OnOpen::Watch).await;
    // Whoever is there is told first; then that it watches.
    let mut told = [watcher.next().await, watcher.next().await];
    told.sort_by_key(|told| *told == Event::Open);
    assert_eq!(told, [Event::Joined("anna".into()), Event::Open]);
    let mut ben = Session::open(&rooms[1], OnOpen::Join("ben")).await;
    assert_eq!(watcher.next().await, Event::Joined("ben".into()));
    for room in &rooms {
        wait_until(async || names(room).await == ["anna", "ben"]).await;
    }
    let members = rooms[1].members().await;
    assert_ne!(members[0].id, members[1].id);
    assert_eq!(&*members[0].topic, "room: a.b");
    // Another room has nobody, also one whose name begins in the same way.
    for other in ["room", "room: a", "*", ">"] {
        assert!(names(&hubs[0].topic::<String>(other)).await.is_empty());
    }
    ben.send("leave").await;
    assert_eq!(watcher.next().await, Event::Left("ben".into()));
    wait_until(async || names(&rooms[1]).await == ["anna"]).await;
    // One that ends has left too.
    let carl = Session::open(&rooms[1], OnOpen::Join("carl")).await;
    assert_eq!(watcher.next().await, Event::Joined("carl".into()));
    drop(carl);
    assert_eq!(watcher.next().await, Event::Left("carl".into()));
}

/// Consumers are not moved past what they have not been given.
#[tokio::test]
async fn those_who_come_and_leave_together_are_all_told() {
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
    // Or they were missed, and have expired.
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    assert!(names(&rooms[0]).await.is_empty());
}

#[tokio::test]
async fn who_dies_without_a_word_vanishes_and_who_lives_stays() {
    let Some(mut nats) = NatsServer::start().await else { return };
    // A shorter expiry than the hub would choose.
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
        let kept = runtime.block_on(async {
            let room = Hub::nats(&url).await.unwrap().topic::<String>("room");
            Session::open(&room, OnOpen::Join("dora")).await
        });
        stopped.recv().unwrap();
        // Whatever it would say when its connections end, it has no runtime to say it with.
        runtime.shutdown_background();
        std::mem::forget(kept);
    });
    assert_eq!(watcher.next().await, Event::Joined("dora".into()));
    assert_eq!(names(&rooms[1]).await, ["ben", "dora"]);
    // Both are there for longer than an entry lives, because they say so.
    tokio::time::sleep(2 * expiry).await;
    assert!(watcher.events.try_recv().is_err());
    stop.send(()).unwrap();
    dying.join().unwrap();
    let died = Instant::now();
    assert_eq!(watcher.next().await, Event::Left("dora".into()));
    println!("gone after {:?}", died.elapsed());
    wait_until(async || names(&rooms[1]).await == ["ben"]).await;

    // Those who live come back with the server.
    nats.stop();
    assert_eq!(watcher.next().await, Event::Left("ben".into()));
    nats.restart().await;
    assert_eq!(watcher.next().await, Event::Joined("ben".into()));
}

/// A process of its own: Eve joins, and it says what it hears of others until its input ends.
#[tokio::test]
#[ignore = "another test runs it"]
async fn process_of_eve() {
    let Ok(url) = std::env::var("NATS_OF_EVE") else { return };
    let room = Hub::nats(&url).await.unwrap().topic::<String>("room");
    let _eve = Session::open(&room, OnOpen::Join("eve")).await;
    let mut watcher = Session::open(&room, OnOpen::Watch).await;
    let over = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    let told = async {
        while let Some((told, _)) = watcher.events.recv().await {
            println!("told {told:?}");
        }
    };
    tokio::select! {
        () = told => {}
        _ = over => {}
    }
}

fn signal(process: &Child, name: &str) {
    let status = Command::new("kill").args([name, &process.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Ends with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn process_that_stood_still_comes_back_and_has_lost_nobody() {
    let Some(nats) = NatsServer::start().await else { return };
    store(&nats, Duration::from_secs(4)).await;
    let room = Hub::nats(&nats.url()).await.unwrap().topic::<String>("room");
    let _frank = Session::open(&room, OnOpen::Join("frank")).await;
    let mut watcher = Session::open(&room, OnOpen::Watch).await;
    let mut told = [watcher.next().await, watcher.next().await];
    told.sort_by_key(|told| *told == Event::Open);
    assert_eq!(told, [Event::Joined("frank".into()), Event::Open]);

    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "presence::process_of_eve", "--ignored", "--nocapture"]);
    command.env("NATS_OF_EVE", nats.url()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut eve = Process(command.spawn().unwrap());
    let (lines, mut said) = mpsc::unbounded_channel();
    let output = BufReader::new(eve.0.stdout.take().unwrap());
    std::thread::spawn(move || {
        let told = output.lines().map_while(Result::ok);
        // The harness does not end its line before the first.
        let told = told.filter_map(|line| Some(line[line.find("told ")?..].to_owned()));
        told.for_each(|line| drop(lines.send(line)));
    });
    let mut says = async || timeout(TIMEOUT, said.recv()).await.expect("it says or ends");
    assert_eq!(watcher.next().await, Event::Joined("eve".into()));
    let frank_is_there = r#"told Joined("frank")"#;
    while says().await.unwrap() != frank_is_there {}

    signal(&eve.0, "-STOP");
    assert_eq!(watcher.next().await, Event::Left("eve".into()));
    signal(&eve.0, "-CONT");
    assert_eq!(watcher.next().await, Event::Joined("eve".into()));
    // It has stood still, not the others.
    drop(eve.0.stdin.take());
    while let Some(line) = says().await {
        assert!(!line.contains("frank"), "{line}");
    }
    assert_eq!(watcher.next().await, Event::Left("eve".into()));
}
