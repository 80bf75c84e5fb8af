//! Closes of connections by tag, in all processes.

use futures_util::StreamExt;
use tests::tungstenite::protocol::CloseFrame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::connect_async;
use ws_core::{Connections, TagError, async_nats};

use super::*;

/// A handler whose connections have a tag, and send more than a client takes that does not read.
#[websocket(path = "/{user}", idle_timeout = none, ping_interval = none, close_timeout = 1s, outbox_limit = 16MiB)]
struct User {
    user: String,
    closed: mpsc::UnboundedSender<String>,
}

#[websocket]
impl User {
    #[on_upgrade]
    fn upgrade(
        ws_core::Path(user): ws_core::Path<String>,
        State(closed): State<mpsc::UnboundedSender<String>>,
    ) -> Self {
        Self { user, closed }
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> Result<(), TagError> {
        cx.tag(&format!("user:{}", self.user))?;
        cx.send("welcome");
        cx.send(vec![0; 4 << 20]);
        Ok(())
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.closed.send(format!("{}: {reason}", self.user)).unwrap();
    }
}

/// Serves connections that a hub reaches. Returns the port and the connections.
async fn serve(hub: &Hub, closed: &mpsc::UnboundedSender<String>) -> (u16, Connections) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().mount::<User>().hub(hub).with_state(closed.clone());
    let connections = router.connections();
    tokio::spawn(router.serve_listener(listener, std::future::pending()));
    (port, connections)
}

/// Waits until a number of processes answers a hub.
async fn wait_for_nodes(hub: &Hub, nodes: usize) {
    wait_until(async || {
        let reached = hub.tagged("nobody").close(4000).await;
        reached.is_ok_and(|reached| reached.nodes == nodes)
    })
    .await;
}

#[tokio::test]
async fn close_by_tag_reaches_clients_of_all_processes() {
    let Some(nats) = NatsServer::start().await else { return };
    let (closed, mut reasons) = mpsc::unbounded_channel();
    // A process without connections may close those of others. Alone it need not wait.
    let admin = Hub::nats(&nats.url()).await.unwrap();
    let reached = admin.tagged("user:anna").close(4003).await.unwrap();
    assert_eq!((reached.connections, reached.nodes), (0, 1));

    let hubs = hubs(&nats).await;
    let servers = [serve(&hubs[0], &closed).await, serve(&hubs[1], &closed).await];
    wait_for_nodes(&admin, 3).await;

    let url = |port, user| format!("ws://127.0.0.1:{port}/{user}");
    let (mut anna, _) = connect_async(url(servers[0].0, "anna")).await.unwrap();
    let (mut ben, _) = connect_async(url(servers[1].0, "ben")).await.unwrap();
    for client in [&mut anna, &mut ben] {
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("welcome"));
        assert_eq!(client.next().await.unwrap().unwrap().len(), 4 << 20);
    }
    // Anna's other client reads its handshake and no more.
    let mut stuck = TcpStream::connect(("127.0.0.1", servers[1].0)).await.unwrap();
    let request = "GET /anna HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stuck.write_all(request.as_bytes()).await.unwrap();
    stuck.read_exact(&mut [0; 12]).await.unwrap();

    let broken = async_nats::connect(nats.url()).await.unwrap();
    for request in [&b""[..], b"\x01\x01\x09user:anna", b"\x01\x01\xffuser:anna\x0f\xa3", &[0xff; 4096]] {
        broken.publish("ws.connections", request.to_vec().into()).await.unwrap();
    }
    broken.flush().await.unwrap();

    wait_until(async || servers[1].1.tagged("user:anna").count() == 1).await;
    let reached = admin.tagged("user:anna").close((4003, "signed out")).await.unwrap();
    assert_eq!((reached.connections, reached.nodes), (2, 3));
    let close = anna.next().await.unwrap().unwrap();
    assert_eq!(close, Message::Close(Some(CloseFrame { code: 4003.into(), reason: "signed out".into() })));
    for _ in 0..2 {
        let reason = timeout(TIMEOUT, reasons.recv()).await.expect("the client that does not read is closed");
        assert_eq!(reason.unwrap(), "anna: closed by the program: 4003 \"signed out\"");
    }
    ben.close(None).await.unwrap();
    assert!(reasons.recv().await.unwrap().starts_with("ben: closed by the client"));

    drop(hubs);
    admin.close().await.unwrap();
    assert!(matches!(admin.tagged("user:ben").close(4003).await, Err(BrokerError::Closed)));
}

#[tokio::test]
async fn missing_permission_is_an_error() {
    let config = r#"authorization { users: [
        { user: "all", password: "x" },
        { user: "chat", password: "x", permissions: { publish: ["ws.t.>", "ws.nobody", "_INBOX.>"], subscribe: "_INBOX.>" } },
    ] }"#;
    let Some(nats) = NatsServer::start_with(config).await else { return };
    let url = |user| nats.url().replace("://", &format!("://{user}:x@"));
    let (closed, _reasons) = mpsc::unbounded_channel();
    let (all, chat) = (Hub::nats(&url("all")).await.unwrap(), Hub::nats(&url("chat")).await.unwrap());
    serve(&all, &closed).await;
    serve(&chat, &closed).await;
    let error = chat.tagged("user:anna").close(4003).await.unwrap_err();
    assert!(
        matches!(&error, BrokerError::Refused(_)) && error.to_string().contains("ws.connections"),
        "{error}"
    );
    // The process that may not subscribe is not reached.
    assert_eq!(all.tagged("user:anna").close(4003).await.unwrap().nodes, 1);
}
