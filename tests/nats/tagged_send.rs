//! Messages to connections by tag, in all processes, and the subjects to which processes answer.

use futures_util::{FutureExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use ws_core::async_nats::ConnectOptions;
use ws_core::{TagError, async_nats};

use super::*;

#[derive(Clone, serde::Deserialize, serde::Serialize)]
struct Notice {
    text: String,
}

#[websocket(path = "/{user}")]
struct Inbox {
    user: String,
}

#[websocket]
impl Inbox {
    #[on_upgrade]
    fn upgrade(ws_core::Path(user): ws_core::Path<String>) -> Self {
        Self { user }
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> Result<&'static str, TagError> {
        cx.tag(&format!("user:{}", self.user))?;
        Ok("welcome")
    }

    #[on_info]
    fn notice(&mut self, notice: Notice) -> String {
        notice.text
    }
}

/// Serves connections that a hub reaches. Returns the port.
async fn serve(hub: &Hub) -> u16 {
    hub.accepts::<Inbox, Notice>("notice");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(Router::new().mount::<Inbox>().hub(hub).serve_listener(listener, std::future::pending()));
    port
}

/// Waits until a number of processes answers a hub.
async fn wait_for_nodes(hub: &Hub, nodes: usize) {
    wait_until(async || {
        let reached = hub.tagged("nobody").send("notice", "").await;
        reached.is_ok_and(|reached| reached.nodes == nodes)
    })
    .await;
}

fn notice(len: usize) -> Notice {
    Notice { text: "x".repeat(len) }
}

#[tokio::test]
async fn message_by_tag_reaches_clients_of_all_processes() {
    let Some(nats) = NatsServer::start().await else { return };
    let admin = Hub::nats(&nats.url()).await.unwrap();
    let hubs = hubs(&nats).await;
    let ports = [serve(&hubs[0]).await, serve(&hubs[1]).await];
    wait_for_nodes(&admin, 3).await;

    let mut clients = Vec::new();
    for (port, user) in [(ports[0], "anna"), (ports[1], "anna"), (ports[1], "ben")] {
        let (mut client, _) = connect_async(format!("ws://127.0.0.1:{port}/{user}")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("welcome"));
        clients.push(client);
    }
    // The longest message that is sent.
    let longest = notice((64 << 10) - r#"{"text":""}"#.len());
    // The process of the administrator has no connections, and is none of the others.
    for (hub, nodes) in [(&admin, 3), (&hubs[1], 2)] {
        let reached = hub.tagged("user:anna").send("notice", &longest).await.unwrap();
        assert_eq!((reached.connections, reached.nodes), (2, nodes));
        for client in &mut clients[..2] {
            assert_eq!(client.next().await.unwrap().unwrap(), Message::text(&longest.text));
        }
    }
    let reached = admin.tagged("user:anna").send("unknown", &longest).await.unwrap();
    assert_eq!((reached.connections, reached.nodes), (0, 3));
    let reached = admin.tagged("user:anna").send("notice", &7).await.unwrap();
    assert_eq!((reached.connections, reached.nodes), (0, 3));
    admin.tagged("user:ben").send("notice", &notice(1)).await.unwrap();
    for client in &mut clients[..2] {
        assert!(client.next().now_or_never().is_none());
    }
    assert_eq!(clients[2].next().await.unwrap().unwrap(), Message::text("x"));
}

#[tokio::test]
async fn message_beyond_the_limit_of_the_server_is_an_error() {
    let Some(nats) = NatsServer::start_with("max_payload: 1024").await else { return };
    let hubs = hubs(&nats).await;
    serve(&hubs[1]).await;
    wait_for_nodes(&hubs[0], 2).await;
    let error = hubs[0].tagged("user:anna").send("notice", &notice(1024)).await.unwrap_err();
    assert!(matches!(error, BrokerError::TooLarge { limit: 1024, .. }), "{error:?}");
    assert_eq!(hubs[0].tagged("user:anna").send("notice", &notice(512)).await.unwrap().nodes, 2);
}

#[tokio::test]
async fn process_answers_to_inboxes_only() {
    let Some(nats) = NatsServer::start().await else { return };
    let with_prefix = async |prefix| {
        let options = ConnectOptions::new().custom_inbox_prefix(prefix);
        Hub::nats_with(options, &nats.url()).await.unwrap()
    };
    for prefix in ["_INBOX", "_INBOX_chat.a"] {
        // Processes with the same prefix answer each other.
        let hubs = [with_prefix(prefix).await, with_prefix(prefix).await];
        serve(&hubs[0]).await;
        wait_for_nodes(&hubs[1], 2).await;

        let other = async_nats::connect(nats.url()).await.unwrap();
        let inbox = format!("{prefix}.x");
        let (mut answers, request) =
            (other.subscribe(">").await.unwrap(), &b"\x01\x01\x09user:anna\x0f\xa3"[..]);
        for reply in ["ws.t.lobby", "$JS.API.STREAM.DELETE.ORDERS", "_INBOXES.x", "_INBOX_chat.b.x", &inbox] {
            other.publish_with_reply("ws.connections", reply.to_owned(), request.into()).await.unwrap();
        }
        // The process answers in the order of the requests, so no other answer comes later.
        let answer = loop {
            let message = answers.next().await.unwrap();
            if &*message.subject != "ws.connections" {
                break message;
            }
        };
        assert_eq!((&*answer.subject, answer.payload.len()), (&*inbox, 17));
    }
}
