//! Processes whose hubs have a broker in memory, and answer requests late, twice or never.

use std::sync::{Mutex, Weak};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::*;
use crate::TagError;
use crate::topic::broker::{BoxFuture, Broker, ProcessAnswer, RemoteEvents, RemoteTopic, RequestHandler};

pub(super) const MS: Duration = Duration::from_millis(1);

#[websocket(path = "/chat")]
#[derive(Default)]
pub(super) struct Tagged;

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
pub(super) enum Answers {
    After(Duration),
    Twice,
    Never,
    With(Bytes),
    /// Ignores all requests, like a process that knows no request of this kind.
    Ignore,
}

/// A process: its number, the handler of its requests, and the way in which it answers.
type Process = (u64, Weak<dyn RequestHandler>, Answers);

/// The processes that serve requests.
#[derive(Default)]
pub(super) struct Network(Mutex<Vec<Process>>);

/// The broker of one process.
pub(super) struct MemoryBroker {
    pub(super) network: Arc<Network>,
    pub(super) node: u64,
    pub(super) answers: Answers,
    pub(super) error: Option<fn() -> BrokerError>,
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
                // A process that has ended is known to the broker.
                let Some(handler) = handler.upgrade() else { return };
                let is_known = !matches!(answers, Answers::Ignore);
                let answer = if is_known { handler.handle(&request, node) } else { None };
                drop(handler);
                let Some(answer) = answer else { return sender.closed().await };
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
                    Answers::Never | Answers::Ignore => sender.closed().await,
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
pub(super) struct Node {
    pub(super) hub: Hub,
    pub(super) router: Router,
    pub(super) clients: Vec<TestClient<Tagged>>,
}

/// Starts processes, each with clients that have a tag.
pub(super) async fn start<const N: usize>(nodes: [(Answers, usize); N]) -> [Node; N] {
    let clients = nodes.each_ref().map(|(_, clients)| *clients);
    let mut started = Vec::new();
    for (hub, clients) in hubs(nodes.map(|(answers, _)| answers)).into_iter().zip(clients) {
        started.push(start_node(hub, clients).await);
    }
    started.try_into().ok().unwrap()
}

/// Returns the hubs of processes, without routers.
pub(super) fn hubs<const N: usize>(answers: [Answers; N]) -> [Hub; N] {
    let (network, mut node) = (Arc::<Network>::default(), 0);
    answers.map(|answers| {
        let network = Arc::clone(&network);
        node += 1;
        Hub::with_broker(Box::new(MemoryBroker { network, node, answers, error: None }))
    })
}

pub(super) async fn start_node(hub: Hub, clients: usize) -> Node {
    let router: Router = Router::new().mount::<Tagged>().hub(&hub);
    let mut node = Node { hub, router, clients: Vec::new() };
    for _ in 0..clients {
        node.sign_in("user:42").await;
    }
    node
}

impl Node {
    pub(super) async fn sign_in(&mut self, tag: &str) {
        let client = TestClient::<Tagged>::upgrade("/chat").open_through(self.router.clone()).await;
        let mut client = client.unwrap();
        client.send(tag).await;
        assert_eq!(client.text().await, "welcome");
        self.clients.push(client);
    }
}
