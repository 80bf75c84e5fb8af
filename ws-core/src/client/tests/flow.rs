//! Calls and messages in both directions at the same time.

use super::*;
use crate::{ClientCallError, Deferred, JsonRpc, Messages};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Messages, Serialize, Deserialize)]
enum Tick {
    Tick(String),
}

/// A server that answers with its arguments, and sends a message of 1 KiB every millisecond.
#[websocket(envelope = JsonRpc, sends = Tick)]
#[derive(Default)]
struct Echo {
    ticks: bool,
}

#[websocket(client = EchoClient)]
impl Echo {
    #[on_call]
    fn echo(&mut self, text: String) -> String {
        text
    }
    #[on_message]
    fn note(&mut self, text: String) {
        drop(text);
    }
    #[on_call]
    fn later(&mut self, millis: u64) -> Deferred<u64> {
        Deferred::new(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            millis
        })
    }
    #[every(1ms)]
    fn tick(&mut self) -> Option<Tick> {
        self.ticks.then(|| Tick::Tick("x".repeat(1000)))
    }
}

async fn connect(ticks: bool) -> EchoClient {
    let client = client(move |_, io| serve(Echo { ticks }, io));
    EchoClient::connect_with(client, RemoteAnswers::new()).await.unwrap()
}

/// The calls exceed the buffers of both sides together. A client that read nothing while it writes would wait for a
/// server that does the same.
#[tokio::test(start_paused = true)]
async fn calls_that_exceed_all_buffers_are_answered() {
    let client = connect(false).await;
    let began = Instant::now();
    let text = "x".repeat(8 << 10);
    let answers = join_all((0..300).map(|_| client.echo(text.clone()))).await;
    for answer in answers {
        assert_eq!(answer.unwrap().len(), text.len());
    }
    assert_eq!(client.connected(0).await, Some(1));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_long_call_passes_a_stream_of_messages() {
    let client = connect(true).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let text = "x".repeat(1000 << 10);
    assert_eq!(client.echo(text.clone()).await.unwrap().len(), text.len());
    assert_eq!(client.connected(0).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn messages_wait_for_room() {
    let client = connect(false).await;
    for _ in 0..1000 {
        client.note("x".repeat(4 << 10)).unwrap();
    }
    assert_eq!(client.echo("end".into()).await.unwrap(), "end");
    assert_eq!(client.connected(0).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_their_timeout() {
    let connect = |timeout| {
        let client = client(|_, io| serve(Echo::default(), io));
        EchoClient::connect_with(client.call_timeout(timeout), RemoteAnswers::new())
    };
    let slow = connect(Duration::from_secs(90)).await.unwrap();
    assert_eq!(slow.later(80_000).await.unwrap(), 80_000);
    let began = Instant::now();
    let fast = connect(Duration::from_millis(5)).await.unwrap();
    assert!(matches!(fast.later(6).await, Err(RemoteCallError::Failed(ClientCallError::Timeout))));
    assert_eq!(began.elapsed(), Duration::from_millis(5));
    // The late answer goes to no other call.
    assert_eq!(fast.later(2).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_longest_message_is_a_setting() {
    for (limit, is_received) in [(2048, true), (1024, false)] {
        let client = client(|_, io| serve(Echo::default(), io)).max_message_size(limit);
        let client = EchoClient::connect_with(client, RemoteAnswers::new()).await.unwrap();
        assert_eq!(client.echo("x".repeat(1500)).await.is_ok(), is_received);
    }
}
