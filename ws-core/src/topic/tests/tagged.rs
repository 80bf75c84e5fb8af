//! Requests to the connections with a tag, over a broker in memory whose processes answer late, twice or never.

use std::sync::{Mutex, Weak};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::*;
use crate::topic::broker::{BoxFuture, Broker, ProcessAnswer, RemoteEvents, RemoteTopic, RequestHandler};
use crate::{Reached, TagError};

const MS: Duration = Duration::from_millis(1);

#[websocket(path = "/chat")]
#[derive(Default)]
struct Tagged;

#[websocket]
impl Tagged {
    #[on_text]
    fn sign_in(&mut self, tag: &str, cx: &mut Context<Self>) -> Result<&'static str, TagError> {
        cx.tag(tag)?;
        Ok("welcome")
    }
}

/// The way in which a process answers.
#[derive(Clone)]
enum Answers {
    After(Duration),
    Twice,
    Never,
    With(Bytes),
}

/// A process: its number, the handler of its requests, and the way in which it answers.
type Process = (u64, Weak<dyn RequestHandler>, Answers);

/// The processes that serve requests.
#[derive(Default)]
struct Network(Mutex<Vec<Process>>);

/// The broker of one process.
struct MemoryBroker {
    network: Arc<Network>,
    node: u64,
    answers: Answers,
    error: Option<fn() -> BrokerError>,
}

impl Broker for MemoryBroker {
    fn open_topic(&self, _: &str, _: Weak<dyn RemoteEvents>) -> Arc<dyn RemoteTopic> {
        unimplemented!("a test of tags")
    }

    fn request(&self, request: Bytes) -> mpsc::Receiver<ProcessAnswer> {
        let (sender, receiver) = mpsc::channel(4);
        if let Some(error) = self.error {
            sender.try_send(Err(error())).unwrap();
            return receiver;
        }
        for (node, handler, answers) in self.network.0.lock().unwrap().clone() {
            if node == self.node {
                continue;
            }
            let (sender, request) = (sender.clone(), request.clone());
            tokio::spawn(async move {
                let Some(answer) = handler.upgrade().and_then(|handler| handler.handle(&request, node))
                else {
                    return;
                };
                match answers {
                    Answers::After(time) => {
                        sleep(time).await;
                        _ = sender.send(Ok(answer)).await;
                    }
                    Answers::Twice => {
                        for _ in 0..2 {
                            _ = sender.send(Ok(answer.clone())).await;
                        }
                    }
                    // The broker does not know whether the process is still there.
                    Answers::Never => sender.closed().await,
                    Answers::With(other) => _ = sender.send(Ok(other)).await,
                }
            });
        }
        receiver
    }

    fn serve_requests(&self, handler: Weak<dyn RequestHandler>) {
        self.network.0.lock().unwrap().push((self.node, handler, self.answers.clone()));
    }

    fn flush(&self) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<Result<(), BrokerError>> {
        self.flush()
    }
}

/// A process with a router.
struct Node {
    hub: Hub,
    router: Router,
    clients: Vec<TestClient<Tagged>>,
}

/// Starts processes, each with clients that have a tag.
async fn start<const N: usize>(nodes: [(Answers, usize); N]) -> [Node; N] {
    let network = Arc::<Network>::default();
    let mut started = Vec::new();
    for (node, (answers, clients)) in (1..).zip(nodes) {
        let network = Arc::clone(&network);
        let hub = Hub::with_broker(Box::new(MemoryBroker { network, node, answers, error: None }));
        started.push(start_node(hub, clients).await);
    }
    started.try_into().ok().unwrap()
}

async fn start_node(hub: Hub, clients: usize) -> Node {
    let router: Router = Router::new().mount::<Tagged>().hub(&hub);
    let mut node = Node { hub, router, clients: Vec::new() };
    for _ in 0..clients {
        node.sign_in("user:42").await;
    }
    node
}

impl Node {
    async fn sign_in(&mut self, tag: &str) {
        let client = TestClient::<Tagged>::upgrade("/chat").open_through(self.router.clone()).await;
        let mut client = client.unwrap();
        client.send(tag).await;
        assert_eq!(client.text().await, "welcome");
        self.clients.push(client);
    }

    /// Closes the connections of the user. Returns their number, that of the processes, and the time that it takes.
    async fn kick(&self) -> Result<(usize, usize, Duration), BrokerError> {
        let start = Instant::now();
        let Reached { connections, nodes } = self.hub.tagged("user:42").close((4003, "signed out")).await?;
        Ok((connections, nodes, start.elapsed()))
    }

    async fn expect_close(mut self) {
        while let Some(mut client) = self.clients.pop() {
            assert_eq!(client.closed().await, Close::new(4003, "signed out"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn close_reaches_the_connections_of_all_processes() {
    let prompt = || Answers::After(10 * MS);
    let [mut first, second, third] = start([(prompt(), 1), (prompt(), 2), (Answers::Twice, 0)]).await;
    first.sign_in("user:421").await;
    // An answer that arrives twice counts once. The channel of the answers ends with the last one.
    assert_eq!(first.kick().await.unwrap(), (3, 3, 10 * MS));
    let mut other = first.clients.pop().unwrap();
    first.expect_close().await;
    second.expect_close().await;
    other.send("user:4").await;
    assert_eq!(other.text().await, "welcome", "another tag that begins alike");
    assert_eq!(third.kick().await.unwrap().0, 0);
}

#[tokio::test(start_paused = true)]
async fn process_that_does_not_answer_is_not_waited_for() {
    let never = || Answers::Never;
    let [first, second, silent] = start([(never(), 1), (Answers::After(100 * MS), 1), (never(), 1)]).await;
    assert_eq!(first.kick().await.unwrap(), (2, 2, 350 * MS));
    silent.expect_close().await;
    second.expect_close().await;

    let [first, slow] = start([(never(), 0), (Answers::After(1990 * MS), 1)]).await;
    assert_eq!(first.kick().await.unwrap(), (1, 2, 1990 * MS));
    slow.expect_close().await;

    // Answers that always arrive just in time end the wait after two seconds.
    let slow = |index| (Answers::After(200 * MS * index), 0);
    let nodes = start([
        slow(0),
        slow(1),
        slow(2),
        slow(3),
        slow(4),
        slow(5),
        slow(6),
        slow(7),
        slow(8),
        slow(9),
        slow(10),
        slow(11),
    ])
    .await;
    assert_eq!(nodes[0].kick().await.unwrap(), (0, 10, 2000 * MS));

    let [first, _silent] = start([(never(), 1), (never(), 0)]).await;
    let begin = Instant::now();
    assert!(matches!(first.kick().await, Err(BrokerError::TimedOut)));
    assert_eq!(begin.elapsed(), 2000 * MS);
    first.expect_close().await;
}

#[tokio::test(start_paused = true)]
async fn malformed_answers_and_requests_are_ignored() {
    let with = |bytes: &'static [u8]| (Answers::With(Bytes::from_static(bytes)), 0);
    let nodes = start([
        (Answers::Never, 1),
        with(b""),
        with(&[1; 16]),
        with(&[2; 17]),
        (Answers::Never, 0),
        with(&[0; 4096]),
    ])
    .await;
    assert!(matches!(nodes[0].kick().await, Err(BrokerError::TimedOut)));
    // The greatest numbers do not overflow.
    let most = [[1].as_slice(), &[0xFF; 16]].concat();
    let others = [(Answers::Never, 1), (Answers::With(most.into()), 0), with(&[1; 17])];
    let nodes = start(others).await;
    assert_eq!(nodes[0].kick().await.unwrap().0, usize::MAX);

    let mut node = start_node(Hub::local(), 1).await;
    let local = node.hub.registry().local_connections();
    for request in [&b""[..], b"user:42", &[1, 1, 7], &[0; 300], &[0xFF; 300], b"\x01\x02\x07user:42\x0F\xA3"]
    {
        assert_eq!(local.handle(request, 1), None, "{request:?}");
    }
    assert_eq!(node.hub.tagged(&"x".repeat(1000)).close(4003).await.unwrap().connections, 0);
    node.sign_in("user:42").await;
    assert_eq!(node.kick().await.unwrap(), (2, 1, Duration::ZERO));
    node.expect_close().await;
}

#[tokio::test(start_paused = true)]
async fn request_is_sent_without_being_awaited() {
    let [first, second] = start([(Answers::Never, 1), (Answers::Never, 1)]).await;
    drop(first.hub.tagged("user:42").close((4003, "signed out")));
    first.expect_close().await;
    second.expect_close().await;
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_broker_and_of_a_closed_hub_are_returned() {
    let network = Arc::<Network>::default();
    let error: Option<fn() -> BrokerError> = Some(|| BrokerError::Disconnected);
    let broker = MemoryBroker { network, node: 1, answers: Answers::Never, error };
    let node = start_node(Hub::with_broker(Box::new(broker)), 1).await;
    assert!(matches!(node.kick().await, Err(BrokerError::Disconnected)));
    node.expect_close().await;

    let mut node = start_node(Hub::local(), 1).await;
    node.hub.close().await.unwrap();
    assert!(matches!(node.kick().await, Err(BrokerError::Closed)));
    node.clients[0].send("user:4").await;
    assert_eq!(node.clients[0].text().await, "welcome");
}

#[tokio::test(start_paused = true)]
async fn router_counts_once_and_ends_with_its_process() {
    let node = start_node(Hub::local(), 2).await;
    let clone = node.router.clone().hub(&node.hub);
    assert_eq!(node.kick().await.unwrap().0, 2);
    let hub = node.hub.clone();
    node.expect_close().await;
    drop(clone);
    assert_eq!(hub.tagged("user:42").close(4003).await.unwrap(), Reached { connections: 0, nodes: 1 });
}
