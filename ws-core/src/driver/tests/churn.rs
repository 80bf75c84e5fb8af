//! The registry under churn: connections open, tag themselves, end in every way, are closed by tag, and drain.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};

use super::peer::frame;
use super::spread::{open, read_until_close};
use crate::connections::{ConnectionTracker, DrainPlan};
use crate::prelude::{Close, CloseReason, Context, websocket};

const S: Duration = Duration::from_secs(1);

/// What the handlers of a test have in common.
#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    requested: AtomicUsize,
}

/// A handler that checks that a close by tag is for a tag of its own.
#[websocket(idle_timeout = none, ping_interval = none, outbox_limit = 16MiB)]
struct Member {
    counts: Arc<Counts>,
    /// Every tag that the connection has had: a close may have been on its way when the tag was removed.
    tags: Vec<String>,
}

#[websocket]
impl Member {
    #[on_text]
    async fn command(&mut self, command: &str, cx: &mut Context<Self>) -> Option<Vec<u8>> {
        let (name, tag) = command.split_once(' ').unwrap_or((command, ""));
        match name {
            "tag" => {
                self.tags.push(tag.to_owned());
                cx.tag(tag).unwrap();
            }
            "untag" => assert!(cx.untag(tag)),
            "sleep" => sleep(3 * S).await,
            "hang" => std::future::pending().await,
            "flood" => return Some(vec![0; 200_000]),
            _ => {}
        }
        None
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
        if let CloseReason::Requested(close) = reason {
            self.counts.requested.fetch_add(1, Ordering::Relaxed);
            assert!(self.tags.iter().any(|tag| tag == close.reason.as_str()), "closed for another's tag");
        }
    }
}

/// A client, which reads nothing before `end`.
struct Client(DuplexStream);

impl Client {
    fn open(connections: &Arc<ConnectionTracker>, counts: &Arc<Counts>) -> Self {
        counts.open.fetch_add(1, Ordering::Relaxed);
        let member = Member { counts: Arc::clone(counts), tags: Vec::new() };
        Self(open(connections, member).0)
    }

    /// Sends a command, unless the server does not read.
    async fn send(&mut self, command: &str) {
        _ = timeout(S / 10, self.0.write_all(&frame(0x81, command.as_bytes()))).await;
    }
}

/// A step of a program: the index of a client, and that of a tag.
#[derive(Clone, Debug)]
enum Step {
    Open,
    Tag(usize, usize),
    Untag(usize, usize),
    Send(usize, &'static str),
    Read(usize),
    Leave(usize),
    Kick(usize),
    Snapshots,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (client, tag) = (0..16_usize, 0..4_usize);
    prop_oneof![
        6 => Just(Step::Open),
        6 => (client.clone(), tag.clone()).prop_map(|(client, tag)| Step::Tag(client, tag)),
        2 => (client.clone(), tag.clone()).prop_map(|(client, tag)| Step::Untag(client, tag)),
        3 => (client.clone(), prop::sample::select(vec!["sleep", "hang", "flood"]))
            .prop_map(|(client, command)| Step::Send(client, command)),
        2 => client.clone().prop_map(Step::Read),
        2 => client.prop_map(Step::Leave),
        2 => tag.prop_map(Step::Kick),
        1 => Just(Step::Snapshots),
        2 => (0..4000_u64).prop_map(Step::Wait),
    ]
}

async fn run(steps: Vec<Step>, drain_after: u64) {
    let (connections, counts) = (Arc::<ConnectionTracker>::default(), Arc::<Counts>::default());
    let mut clients: Vec<(Client, Vec<usize>)> = Vec::new();
    for step in steps {
        let count = clients.len();
        match step {
            Step::Open if count < 16 => clients.push((Client::open(&connections, &counts), Vec::new())),
            Step::Tag(index, tag) if index < count && !clients[index].1.contains(&tag) => {
                clients[index].1.push(tag);
                clients[index].0.send(&format!("tag {tag}")).await;
            }
            Step::Untag(index, tag) if index < count && clients[index].1.contains(&tag) => {
                clients[index].1.retain(|own| *own != tag);
                clients[index].0.send(&format!("untag {tag}")).await;
            }
            Step::Send(index, command) if index < count => clients[index].0.send(command).await,
            Step::Read(index) if index < count => {
                let Client(io) = clients.swap_remove(index).0;
                tokio::spawn(timeout(600 * S, read_until_close(io)));
            }
            Step::Leave(index) if index < count => drop(clients.swap_remove(index)),
            Step::Kick(tag) => {
                let tag = tag.to_string();
                let tagged = connections.count_tagged(&tag);
                let close = Close::from((4003, tag.clone()));
                assert_eq!(connections.close_tagged(&tag, &close), tagged);
            }
            Step::Snapshots => drop(connections.request_reports()),
            Step::Wait(milliseconds) => sleep(Duration::from_millis(milliseconds)).await,
            _ => {}
        }
    }
    sleep(Duration::from_millis(drain_after)).await;
    let plan = DrainPlan { spread: 5 * S, grace: Some(4 * S), timeout: 30 * S, close: None };
    assert_eq!(connections.drain(&plan).await, 0, "a connection hangs");
    // Those that began meanwhile would be counted too.
    assert_eq!((connections.count(None), counts.open.load(Ordering::Relaxed)), (0, 0));
    assert!((0..4).all(|tag| connections.count_tagged(&tag.to_string()) == 0));
    drop(clients);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_hangs_and_counts_end_at_zero(steps in vec(step(), 1..80), drain_after in 0..3000_u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(run(steps, drain_after));
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_connections_are_counted_closed_and_drained() {
    let (connections, counts) = (Arc::<ConnectionTracker>::default(), Arc::<Counts>::default());
    let stuck = Mutex::new(Vec::new());
    for index in 0..10_000 {
        let mut client = Client::open(&connections, &counts);
        client.send(&format!("tag user:{}", index % 1000)).await;
        match index % 10 {
            // A tenth does not read, a tenth runs a method, a tenth leaves.
            0 => {
                client.send("flood").await;
                stuck.lock().unwrap().push(client);
            }
            1 => {
                client.send("hang").await;
                tokio::spawn(read_until_close(client.0));
            }
            2 => drop(client),
            _ => _ = tokio::spawn(read_until_close(client.0)),
        }
    }
    sleep(30 * S).await;
    assert_eq!(connections.count(None), 9000);
    let users = |from, to| (from..to).map(|user| format!("user:{user}"));
    // The users 2, 12, 22 and so on have left.
    assert_eq!(users(0, 1000).map(|user| connections.count_tagged(&user)).sum::<usize>(), 9000);

    let kicked: usize =
        users(0, 500).map(|user| connections.close_tagged(&user, &Close::from((4003, user.clone())))).sum();
    assert_eq!(kicked, 4500);
    let reports = connections.request_reports();
    assert_eq!(reports.len(), 9000);
    for report in reports {
        assert!(timeout(S, report.report).await.is_ok(), "a connection does not report");
    }
    sleep(6 * S).await;
    assert_eq!((connections.count(None), counts.requested.load(Ordering::Relaxed)), (4500, 4500));
    assert_eq!(users(0, 500).map(|user| connections.count_tagged(&user)).sum::<usize>(), 0);

    let plan = DrainPlan { spread: 5 * S, grace: Some(4 * S), timeout: 30 * S, close: None };
    let begin = tokio::time::Instant::now();
    assert_eq!(connections.drain(&plan).await, 0);
    assert!(begin.elapsed() <= 10 * S, "{:?}", begin.elapsed());
    assert_eq!((connections.count(None), counts.open.load(Ordering::Relaxed)), (0, 0));
    assert_eq!(counts.requested.load(Ordering::Relaxed), 4500);
}
