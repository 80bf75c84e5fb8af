//! All that a handler can do, in the client's role.

use serde::Serialize;
use tokio::sync::mpsc;

use super::*;
use crate::topic::Hub;
use crate::{Call, Deferred, JsonRpc};

/// The server's question.
#[derive(Call, Serialize)]
#[call(returns = String)]
struct Whoami {}

/// The client's question.
#[derive(Call, Serialize)]
#[call(returns = i64)]
struct Add(i64, i64);

#[websocket(envelope = JsonRpc)]
#[derive(Default)]
struct Server;

#[websocket]
impl Server {
    #[on_call]
    async fn greet(&mut self, cx: &mut Context<Self>) -> String {
        format!("hello, {}", cx.call(Whoami {}).await.unwrap())
    }
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }
    #[on_message]
    fn leave(&mut self) -> Close {
        Close::from((4000, "bye"))
    }
}

#[derive(Call, Serialize)]
#[call(returns = String)]
struct Greet {}

struct News(&'static str);

/// A client with two states, a timer, a mailbox, a topic and calls in both directions.
#[websocket(envelope = JsonRpc)]
enum Feed {
    Connecting(Connecting),
    Ready(Ready),
}

struct Connecting {
    log: Log,
    addr: mpsc::UnboundedSender<Addr<Feed>>,
    topic: Topic<String>,
}

struct Ready {
    log: Log,
}

#[websocket]
impl Feed {
    #[on_enter]
    async fn open(connecting: &mut Connecting, cx: &mut Context<Self>) -> Goto<Ready> {
        cx.subscribe(&connecting.topic).await.unwrap();
        connecting.log.add(format!("subprotocol {:?}, peer {:?}", cx.subprotocol(), cx.peer_addr()));
        connecting.log.add(cx.call(Add(2, 3)).await.unwrap());
        connecting.addr.send(cx.addr()).unwrap();
        Goto(Ready { log: connecting.log.clone() })
    }

    #[on_call]
    fn whoami(ready: &mut Ready) -> Deferred<String> {
        ready.log.add("whoami");
        Deferred::new(async { "feed".to_owned() })
    }
    #[on_info(ignore = Connecting)]
    async fn news(ready: &mut Ready, News(text): News, cx: &mut Context<Self>) {
        ready.log.add(format!("{text} {}", cx.call(Add(1, 1)).await.unwrap()));
    }
    #[on_info(ignore = Connecting)]
    fn published(ready: &mut Ready, text: Arc<String>) {
        ready.log.add(text);
    }
    #[after(7s)]
    fn tick(ready: &mut Ready) {
        ready.log.add("tick");
    }
    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        if let Self::Ready(ready) = self {
            ready.log.add(reason);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_does_all_that_it_does_on_a_server() {
    let client = client(|_, io| serve(Server, io));
    let (log, hub) = (Log::default(), Hub::local());
    let topic: Topic<String> = hub.topic("news");
    let (addr, mut addrs) = mpsc::unbounded_channel();
    let own = (log.clone(), topic.clone());
    let running = tokio::spawn(client.run(move || {
        Feed::Connecting(Connecting { log: own.0.clone(), addr: addr.clone(), topic: own.1.clone() })
    }));
    let addr = addrs.recv().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    addr.send(News("mail")).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(addr.call(Greet {}).await.unwrap(), "hello, feed");
    topic.publish("published".to_owned()).unwrap();
    // `Addr::call` calls the server.
    assert_eq!(addr.call(Add(40, 2)).await.unwrap(), 42);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(addr.is_open());
    drop(running);
    let entries = log.entries();
    assert_eq!(entries, ["subprotocol None, peer None", "5", "mail 2", "whoami", "published", "tick"]);
}

#[websocket(subprotocols = ["v2", "v1"])]
#[derive(Default)]
struct Speaker;

#[websocket]
impl Speaker {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> (String, Close) {
        (cx.subprotocol().unwrap_or("none").to_owned(), Close::default())
    }
}

/// Returns the header of the handshake and the subprotocol of the handler, if the server selects `answer`.
async fn subprotocol(
    change: fn(Client) -> Client,
    answer: &'static str,
) -> (Vec<String>, Result<Ended, ConnectError>) {
    let log = Log::default();
    let server_log = log.clone();
    let client = client(move |_, mut io| {
        let log = server_log.clone();
        async move {
            let head = read_head(&mut io).await;
            let line = |name: &str| head.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            log.add(line("Sec-Websocket-Protocol: ").unwrap_or_default());
            let accept =
                tungstenite::handshake::derive_accept_key(line("Sec-Websocket-Key: ").unwrap().as_bytes());
            let response = format!(
                "HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n{answer}\
                 sec-websocket-accept: {accept}\r\n\r\n"
            );
            io.write_all(response.as_bytes()).await.unwrap();
            let stream =
                WebSocketStream::from_raw_socket(io, tungstenite::protocol::Role::Server, None).await;
            crate::drive(Logger(log.clone()), stream).await;
        }
    });
    let ended = change(client).run(Speaker::default).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    (log.entries(), ended)
}

#[tokio::test(start_paused = true)]
async fn declared_subprotocols_are_offered() {
    let (log, ended) = subprotocol(|client| client, "sec-websocket-protocol: v1\r\n").await;
    assert_eq!(log[..3], ["v2, v1", "open", "v1"]);
    assert_eq!(ended.unwrap().reason, CloseReason::Stop(Close::default()));
    let change = |client: Client| client.subprotocol("v3").header("x-own", "1");
    let (log, ended) = subprotocol(change, "sec-websocket-protocol: v3\r\n").await;
    assert_eq!(log[..3], ["v3", "open", "v3"]);
    assert!(ended.is_ok());
    let (log, ended) = subprotocol(|client| client, "").await;
    // The client leaves without a close frame, because no connection was open for it.
    assert_eq!(log, ["v2, v1", "open", "connection lost: unexpected end of file"]);
    assert!(matches!(ended, Err(ConnectError::Handshake("the server selected none of the subprotocols"))));
}

#[websocket]
#[derive(Default)]
struct Panicking(Log);

#[websocket]
impl Panicking {
    #[on_text]
    fn text(&mut self, _: &str) {
        panic!("of the handler")
    }
    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.add(reason);
    }
}

#[websocket]
#[derive(Default)]
struct Greeter;

#[websocket]
impl Greeter {
    #[on_open]
    fn open(&mut self) -> &'static str {
        "hello"
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_the_connection_only() {
    let log = Log::default();
    let client = client(|number, io| async move {
        if number < 3 { serve(Greeter, io).await } else { serve(Closer(1000), io).await }
    });
    let ended = client.run(|| Panicking(log.clone())).await.unwrap();
    assert_eq!(ended.connections, 3);
    assert_eq!(log.entries()[..2], ["handler panicked: of the handler"; 2]);
}
