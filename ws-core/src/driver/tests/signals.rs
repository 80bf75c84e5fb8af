//! A server process that is stopped and continued.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::prelude::*;

#[websocket(path = "/", idle_timeout = 2s)]
#[derive(Default)]
struct Patient;

#[websocket]
impl Patient {
    #[on_text]
    fn text(&mut self, _: &str) {}
}

/// Name of the variable that holds the number of workers.
const WORKERS: &str = "WS_CORE_STOPPED_WORKERS";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the server process of the other test"]
async fn server_process() {
    let workers = std::env::var(WORKERS).unwrap().parse().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("ADDR {}.", listener.local_addr().unwrap());
    Router::new()
        .mount::<Patient>()
        .workers(workers)
        .serve_listener(listener, std::future::pending())
        .await
        .unwrap();
}

/// A server process, killed when dropped.
struct Server(Child);

impl Server {
    fn start(workers: usize) -> (Self, String) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["driver::tests::signals::server_process", "--exact", "--ignored", "--nocapture"])
            .env(WORKERS, workers.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addr = lines.find_map(|line| {
            let line = line.unwrap();
            let addr = line.split_once("ADDR ")?.1.trim_end_matches('.');
            Some(addr.to_owned())
        });
        (Self(child), addr.expect("the server listens"))
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.0.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Stops a server for five seconds, while its clients send. Returns how many of them it disconnected.
async fn disconnected(workers: usize) -> usize {
    let (server, addr) = Server::start(workers);
    let start = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let (client, _) = connect_async(format!("ws://{addr}/")).await.unwrap();
        clients.push(tokio::spawn(async move {
            let (mut sink, mut stream) = client.split();
            for tick in 1..28 {
                sleep_until(start + tick * Duration::from_millis(300)).await;
                if sink.send(Message::text("x")).await.is_err() {
                    return true;
                }
            }
            tokio::time::timeout(Duration::from_millis(100), stream.next()).await.is_ok()
        }));
    }
    sleep_until(start + Duration::from_secs(1)).await;
    server.signal("-STOP");
    sleep_until(start + Duration::from_secs(6)).await;
    server.signal("-CONT");
    let mut count = 0;
    for client in clients {
        count += usize::from(client.await.unwrap());
    }
    count
}

#[tokio::test]
async fn server_that_was_stopped_disconnects_nobody() {
    assert_eq!((disconnected(0).await, disconnected(1).await), (0, 0));
}
