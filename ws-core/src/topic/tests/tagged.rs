//! Closes of connections with a tag, over a broker in memory.

use bytes::Bytes;
use tokio::time::Instant;

use super::network::{Answers, MS, MemoryBroker, Network, Node, start, start_node};
use super::*;
use crate::Reached;
use crate::topic::broker::RequestHandler;

impl Node {
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

#[tokio::test(start_paused = true)]
async fn tag_that_no_connection_can_have_is_not_waited_for() {
    let [first, _second] = start([(Answers::Never, 1), (Answers::Never, 1)]).await;
    let begin = Instant::now();
    for tag in ["", &"x".repeat(129), &"x".repeat(1000)] {
        let hub = first.hub.tagged(tag);
        let nobody = Reached { connections: 0, nodes: 1 };
        assert_eq!(hub.close(4003).await.unwrap(), nobody);
        assert_eq!(hub.send("notice", "you have mail").await.unwrap(), nobody);
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
}
