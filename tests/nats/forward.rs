//! Forwarding from a history, and publishing to all but one connection, over the broker.

use futures_util::StreamExt;

use super::*;

#[websocket]
struct Forwards {
    room: Topic<String>,
    since: Since,
    opened: mpsc::UnboundedSender<(Addr<Self>, Recovery)>,
}

#[websocket]
impl Forwards {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let recovery = cx.forward_from(&self.room, self.since).await;
        self.opened.send((cx.addr(), recovery)).unwrap();
    }
}

struct Client {
    socket: WebSocketStream<DuplexStream>,
    addr: Addr<Forwards>,
    recovery: Recovery,
}

impl Client {
    async fn open(room: &Topic<String>, since: impl Into<Since>) -> Self {
        let (opened, mut open) = mpsc::unbounded_channel();
        let socket = drive(Forwards { room: room.clone(), since: since.into(), opened }).await;
        let (addr, recovery) = timeout(TIMEOUT, open.recv()).await.unwrap().unwrap();
        Self { socket, addr, recovery }
    }

    async fn expect(&mut self, lines: &[&str]) {
        for line in lines {
            let message = timeout(TIMEOUT, self.socket.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(message, Message::text(format!("{line:?}")));
        }
    }
}

#[tokio::test]
async fn client_gets_the_history_of_another_process_and_then_new_messages() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    let rooms = hubs.each_ref().map(|hub| hub.topic::<String>("room").history(4));
    let mut positions = Vec::new();
    for line in ["1", "2", "3"] {
        positions.push(rooms[1].publish(line.into()).unwrap().await.unwrap().unwrap());
    }
    let mut clients = Vec::new();
    for (since, lines) in [
        (Since::Position(positions[0]), &["2", "3"][..]),
        (Since::Last(1), &["3"]),
        (Since::Beginning, &["1", "2", "3"]),
    ] {
        let mut client = Client::open(&rooms[0], since).await;
        assert_eq!(client.recovery, Recovery { recovered: true, position: Some(positions[2]) });
        client.expect(lines).await;
        clients.push(client);
    }
    let late = Client::open(&rooms[0], None).await;
    assert!(!late.recovery.recovered);
    rooms[1].publish("4".into()).unwrap();
    for client in clients.iter_mut().chain([late].iter_mut()) {
        client.expect(&["4"]).await;
    }
}

#[tokio::test]
async fn connection_that_is_left_out_gets_nothing_and_others_of_all_processes_do() {
    let Some(nats) = NatsServer::start().await else { return };
    let hubs = hubs(&nats).await;
    for history in [None, Some(16)] {
        let rooms = hubs.each_ref().map(|hub| {
            let room = hub.topic::<String>(if history.is_some() { "stored" } else { "plain" });
            history.map_or(room.clone(), |len| room.history(len))
        });
        let mut anna = Client::open(&rooms[0], None).await;
        let mut ben = Client::open(&rooms[0], None).await;
        let mut carl = Client::open(&rooms[1], None).await;
        rooms[0].publish_except(&anna.addr, "not for anna".into()).unwrap();
        rooms[0].publish("for all".into()).unwrap();
        anna.expect(&["for all"]).await;
        ben.expect(&["not for anna", "for all"]).await;
        carl.expect(&["not for anna", "for all"]).await;
    }
}
