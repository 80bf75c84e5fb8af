//! Connections on worker threads (`Router::workers`).

#[path = "workers/calls.rs"]
mod calls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::{Server, TIMEOUT, frame, serve, tungstenite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tungstenite::Message;
use ws_core::prelude::*;

#[derive(Clone)]
struct Shared {
    reasons: mpsc::UnboundedSender<CloseReason>,
    members: Arc<Mutex<Vec<Addr<Member>>>>,
}

#[websocket(path = "/member", max_message_size = 4MiB, outbox_limit = 8MiB)]
struct Member(Shared);

#[derive(Clone)]
struct Say(String);

#[websocket]
impl Member {
    #[on_upgrade]
    fn make(State(shared): State<Shared>) -> Self {
        Self(shared)
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> String {
        self.0.members.lock().unwrap().push(cx.addr());
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[on_text]
    fn text(&mut self, text: String) {
        match text.as_str() {
            "panic" => panic!("on request"),
            "throw" => std::panic::panic_any(Bomb),
            // Blocks, so that later events arrive together.
            "block" => std::thread::sleep(Duration::from_millis(300)),
            _ => {}
        }
        for member in &*self.0.members.lock().unwrap() {
            let _ = member.send(Say(text.clone()));
        }
    }

    #[on_binary]
    fn echo<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }

    #[on_info]
    fn said(&mut self, Say(text): Say) -> String {
        text
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.reasons.send(reason.clone()).unwrap();
    }
}

/// Value whose drop panics with another such value.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::panic::panic_any(Bomb);
        }
    }
}

/// Handler that awaits timers and a task of the runtime.
#[websocket(path = "/waiter", idle_timeout = 200ms)]
struct Waiter(Shared);

#[websocket]
impl Waiter {
    #[on_upgrade]
    fn make(State(shared): State<Shared>) -> Self {
        Self(shared)
    }

    #[on_text]
    async fn wait(&mut self, text: String) -> String {
        let task = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            text
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        task.await.unwrap()
    }

    #[every(50ms)]
    fn tick(&mut self) -> &'static [u8] {
        b"tick"
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.reasons.send(reason.clone()).unwrap();
    }
}

struct Setup {
    server: Server,
    shared: Shared,
    reasons: mpsc::UnboundedReceiver<CloseReason>,
}

async fn setup(workers: usize) -> Setup {
    let (sender, reasons) = mpsc::unbounded_channel();
    let shared = Shared { reasons: sender, members: Arc::default() };
    let router = Router::new().mount::<Member>().mount::<Waiter>().workers(workers);
    Setup { server: serve(router.with_state(shared.clone())).await, shared, reasons }
}

impl Setup {
    async fn reason(&mut self) -> CloseReason {
        timeout(TIMEOUT, self.reasons.recv()).await.expect("`#[on_close]` runs").unwrap()
    }
}

#[tokio::test]
async fn spreads_connections_over_the_threads() {
    let setup = setup(2).await;
    let mut threads = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = setup.server.connect("/member").await;
        threads.push(client.text().await);
        clients.push(client);
    }
    threads.sort();
    assert_eq!(threads, ["ws-worker-0", "ws-worker-0", "ws-worker-1", "ws-worker-1"]);
}

#[tokio::test]
async fn delivers_messages_within_and_between_threads() {
    let setup = setup(2).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = setup.server.connect("/member").await;
        client.text().await;
        clients.push(client);
    }
    for n in 0..50 {
        clients[n % 4].send(format!("{n}")).await;
        for client in &mut clients {
            assert_eq!(client.text().await, format!("{n}"));
        }
    }
    // A message from outside of the workers.
    for member in &*setup.shared.members.lock().unwrap() {
        member.send(Say("all".into())).unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.text().await, "all");
    }
}

#[tokio::test]
async fn exchanges_large_messages_in_parts() {
    let setup = setup(1).await;
    let mut client = setup.server.connect("/member").await;
    client.text().await;
    for len in [0, 1, 125, 126, 65_535, 65_536, 3 << 20] {
        let message: Vec<u8> = (0..len).map(|i: u32| i.to_le_bytes()[0]).collect();
        for _ in 0..2 {
            client.send(message.clone()).await;
        }
        for _ in 0..2 {
            let Message::Binary(echo) = client.next().await else { panic!("not an echo") };
            assert!(echo == message, "{len} bytes");
        }
    }
}

#[tokio::test]
async fn methods_use_the_runtime() {
    let mut setup = setup(1).await;
    let mut client = setup.server.connect("/waiter").await;
    client.send("done").await;
    let mut received = Vec::new();
    while received.len() < 4 {
        received.push(client.next().await.into_text().unwrap().to_string());
    }
    assert!(received.contains(&"done".into()), "{received:?}");
    assert!(received.contains(&"tick".into()), "{received:?}");
    // The client sends no more messages.
    assert_eq!(setup.reason().await, CloseReason::Timeout);
}

#[tokio::test]
async fn flood_does_not_monopolise_the_thread() {
    let setup = setup(1).await;
    let mut flooding = setup.server.raw().await;
    flooding.request(&tests::handshake("/member", "")).await;
    let mut other = setup.server.connect("/member").await;
    other.text().await;
    let (mut read, mut write) = flooding.0.into_split();
    let bytes = frame(0x82, b"flood").repeat(10_000);
    let flood = tokio::spawn(async move { while write.write_all(&bytes).await.is_ok() {} });
    let drain = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while read.read(&mut buffer).await.is_ok_and(|len| len > 0) {}
    });
    for n in 0..100_u8 {
        other.send(vec![n]).await;
        assert_eq!(other.next().await, Message::binary(vec![n]));
    }
    flood.abort();
    drain.abort();
}

#[tokio::test]
async fn notices_a_disconnect() {
    let mut setup = setup(1).await;
    let mut client = setup.server.connect("/member").await;
    client.text().await;
    drop(client);
    assert!(matches!(setup.reason().await, CloseReason::ConnectionLost(_)));
    // The last message is handled although the end arrived in the same packet.
    let mut listener = setup.server.connect("/member").await;
    listener.text().await;
    let mut raw = setup.server.raw().await;
    raw.request(&tests::handshake("/member", "")).await;
    raw.send(frame(0x81, b"last words")).await;
    drop(raw);
    assert_eq!(listener.text().await, "last words");
    assert!(matches!(setup.reason().await, CloseReason::ConnectionLost(_)));
}

#[tokio::test]
async fn panic_ends_one_connection() {
    let mut setup = setup(1).await;
    let mut other = setup.server.connect("/member").await;
    let mut client = setup.server.connect("/member").await;
    other.text().await;
    client.text().await;
    client.send("panic").await;
    assert_eq!(client.close_code().await, 1011);
    assert!(matches!(setup.reason().await, CloseReason::Panic(_)));
    other.send("still here").await;
    assert_eq!(other.text().await, "still here");
}

#[tokio::test]
async fn panic_among_other_events_ends_one_connection() {
    let mut setup = setup(1).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = setup.server.connect("/member").await;
        client.text().await;
        clients.push(client);
    }
    clients[0].send("block").await;
    clients[1].send(vec![1]).await;
    clients[2].send("throw").await;
    clients[3].send("panic").await;
    clients[4].send(vec![4]).await;
    for n in [1, 4] {
        assert_eq!(clients[n].text().await, "block");
        assert_eq!(clients[n].next().await, Message::binary(vec![n as u8]));
    }
    for _ in 0..2 {
        assert!(matches!(setup.reason().await, CloseReason::Panic(_)));
    }
    // Another connection reuses the released slot.
    for _ in 0..2 {
        let mut client = setup.server.connect("/member").await;
        client.text().await;
        client.send(vec![7]).await;
        assert_eq!(client.next().await, Message::binary(vec![7]));
    }
}

#[tokio::test]
async fn loses_no_wake_up() {
    let setup = setup(2).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = setup.server.connect("/member").await;
        client.text().await;
        clients.push(client);
    }
    let members = setup.shared.members.lock().unwrap().clone();
    let senders = (0..3).map(|sender| {
        let members = members.clone();
        std::thread::spawn(move || {
            for n in 0..1000 {
                for member in &members {
                    while member.send(Say(format!("{sender} {n}"))).is_err() {
                        std::thread::yield_now();
                    }
                }
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    for client in &mut clients {
        for _ in 0..3000 {
            client.text().await;
        }
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}

#[tokio::test]
async fn shutdown_reaches_the_threads() {
    let mut setup = setup(2).await;
    let mut clients = [setup.server.connect("/member").await, setup.server.connect("/member").await];
    for client in &mut clients {
        client.text().await;
    }
    setup.server.stop();
    for client in &mut clients {
        assert_eq!(client.close_code().await, 1001);
    }
    for _ in 0..2 {
        assert_eq!(setup.reason().await, CloseReason::Shutdown);
    }
    setup.server.join().await;
}

#[tokio::test]
async fn dropping_the_server_closes_connections() {
    let mut setup = setup(1).await;
    let mut client = setup.server.connect("/member").await;
    client.text().await;
    setup.server.abort().await;
    assert_eq!(client.close_code().await, 1001);
    let reason = timeout(TIMEOUT, setup.reasons.recv()).await.unwrap();
    assert_eq!(reason, Some(CloseReason::Shutdown));
}

#[test]
fn threads_survive_the_end_of_their_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut client, setup) = runtime.block_on(async {
        let setup = setup(1).await;
        let mut client = setup.server.connect("/waiter").await;
        client.send("x").await;
        client.next().await;
        (client, setup)
    });
    let Setup { server, shared, mut reasons } = setup;
    drop((server, shared));
    // The connection has a timer of the runtime.
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(async {
        // The handler is dropped, together with its sender.
        while timeout(TIMEOUT, reasons.recv()).await.expect("the connection ends").is_some() {}
        let _ = &mut client;
    });
}
