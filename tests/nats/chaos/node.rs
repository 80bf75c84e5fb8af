//! A process of the rig: publishes to topics, subscribes to them, and prints what happens.
//!
//! Its lines are `sent TIME TOPIC NUMBER`, `subscribed TIME SUBSCRIBER TOPIC`, `received TIME SUBSCRIBER
//! PUBLISHER NUMBER`, `lagged TIME SUBSCRIBER COUNT`, `restarted TIME SUBSCRIBER 0` and `ended TIME SUBSCRIBER`, with
//! the time in milliseconds. `resumed` is for people.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use ws_core::NatsOptions;
use ws_core::async_nats::ConnectOptions;

use super::super::*;

fn print(kind: &str, details: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    // Written in one piece, so that the lines of tasks do not mix. Fails if the rig has ended.
    let _ = std::io::stdout().lock().write_all(format!("\n{kind} {now} {details}\n").as_bytes());
}

fn topic(hub: &Hub, name: &str) -> Topic<String> {
    let topic = hub.topic::<String>(name);
    if name.starts_with("stored") { topic.history(200_000) } else { topic }
}

fn report(subscriber: &str, event: Event, last: &mut Option<Position>, position: Option<Position>) {
    match event {
        Event::Received(line) => {
            *last = position.or(*last);
            print("received", &format!("{subscriber} {line}"));
        }
        Event::Lagged(missed) => print("lagged", &format!("{subscriber} {missed}")),
        _ => {}
    }
}

/// Subscribes and stays.
async fn stay(topic: Topic<String>, subscriber: String) {
    let Session { client, mut events } = Session::open(&topic, OnOpen::Subscribe).await;
    // Reading answers pings; a client that does not is disconnected after 45 seconds.
    tokio::spawn(client.for_each(|_| std::future::ready(())));
    let opened = events.recv().await;
    print("subscribed", &format!("{subscriber} {}", topic.name()));
    if !matches!(opened, Some((Event::Open, _))) {
        print("lagged", &format!("{subscriber} 0"));
    }
    while let Some((event, position)) = events.recv().await {
        report(&subscriber, event, &mut None, position);
    }
    print("ended", &subscriber);
}

/// Subscribes, leaves, and returns with the last position.
async fn come_and_go(topic: Topic<String>, subscriber: String) {
    let mut last = None;
    for visit in 0.. {
        let mut session = Session::open(&topic, OnOpen::From(last.into())).await;
        let recovery = session.events.recv().await;
        if visit == 0 {
            print("subscribed", &format!("{subscriber} {}", topic.name()));
        }
        if let Some((Event::Recovered(recovery), _)) = &recovery {
            let Recovery { recovered, position, .. } = recovery;
            print("resumed", &format!("{subscriber} {last:?} {recovered} {position:?}"));
        }
        match recovery {
            Some((Event::Recovered(recovery), _)) if recovery.recovered => {}
            Some((Event::Recovered(recovery), _)) => {
                last = recovery.position;
                // Without a position, the client begins anew.
                print(if last.is_some() { "lagged" } else { "restarted" }, &format!("{subscriber} 0"));
            }
            other => panic!("{other:?}"),
        }
        let until = tokio::time::Instant::now() + Duration::from_secs(3);
        while let Ok(Some((event, position))) = tokio::time::timeout_at(until, session.events.recv()).await {
            report(&subscriber, event, &mut last, position);
        }
        drop(session);
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of `random_faults`"]
async fn run() {
    let (Ok(name), Ok(url)) = (std::env::var("CHAOS_NODE"), std::env::var("CHAOS_URL")) else { return };
    let replicas = std::env::var("CHAOS_REPLICAS").unwrap().parse().unwrap();
    // Without the servers that a cluster announces, every connection passes the proxy.
    let hub = loop {
        let options = NatsOptions::from(ConnectOptions::new().ignore_discovered_servers()).replicas(replicas);
        match Hub::nats_with(options, &url).await {
            Ok(hub) => break hub,
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    for topic_name in ["plain", "stored"] {
        tokio::spawn(stay(topic(&hub, topic_name), format!("{name}/{topic_name}")));
    }
    tokio::spawn(come_and_go(topic(&hub, "stored"), format!("{name}/returning")));
    // Only the first node subscribes to these, so that the handles of the others are short-lived.
    if name.starts_with("n0") {
        for topic_name in ["plain-short", "stored-short"] {
            tokio::spawn(stay(topic(&hub, topic_name), format!("{name}/{topic_name}")));
        }
    }
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_line(&mut String::new());
        let _ = stop.send(());
    });
    let mut numbers = [0u64; 4];
    while stopped.try_recv().is_err() {
        for (number, topic_name) in numbers.iter_mut().zip(["plain", "stored", "plain-short", "stored-short"])
        {
            let publisher = format!("{name}@{topic_name}");
            if topic(&hub, topic_name).publish(format!("{publisher} {number}")).is_ok() {
                print("sent", &format!("{topic_name} {publisher} {number}"));
                *number += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while hub.flush().await.is_err() {}
    print("flushed", &name);
    std::future::pending::<()>().await;
}
