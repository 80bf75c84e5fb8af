//! Random faults, run by hand: see the README in this folder.

mod account;
mod node;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use account::Account;
use tests::nats::LossyProxy;

use super::*;

/// How long nodes publish after all faults are over.
const QUIET: Duration = Duration::from_secs(15);

/// How long subscribers have for the last messages after all faults are over.
const SETTLE: Duration = Duration::from_secs(30);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// A small generator of random numbers (xorshift), so that a seed repeats the faults.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    async fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        let length = milliseconds.end - milliseconds.start;
        let milliseconds = milliseconds.start + self.below(length);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

/// The lines that the nodes have printed, by node.
type Reports = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// A process that publishes and subscribes, behind a proxy.
struct Node {
    name: String,
    child: Child,
    proxy: LossyProxy,
}

impl Node {
    async fn start(name: String, server: &NatsServer, replicas: usize, reports: &Reports) -> Self {
        let proxy = LossyProxy::start(server).await;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["chaos::node::run", "--exact", "--ignored", "--nocapture"])
            .env("CHAOS_NODE", &name)
            .env("CHAOS_URL", proxy.url())
            .env("CHAOS_REPLICAS", replicas.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (lines, reports, key) =
            (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(reports), name.clone());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                reports.lock().unwrap().entry(key.clone()).or_default().push(line);
            }
        });
        Self { name, child, proxy }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn signal(pid: u32, signal: &str) {
    Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
}

/// Causes one fault, and ends it.
async fn cause_fault(
    random: &mut Random,
    servers: &mut [NatsServer],
    nodes: &mut Vec<Node>,
    killed: &mut Vec<String>,
    reports: &Reports,
) -> &'static str {
    let (server, node) = (random.below(servers.len() as u64), random.below(nodes.len() as u64));
    let (server, node) = (&mut servers[usize::try_from(server).unwrap()], usize::try_from(node).unwrap());
    match random.below(7) {
        0 => {
            server.stop();
            random.pause(100..4000).await;
            server.restart().await;
            "server killed"
        }
        1 => {
            signal(server.pid(), "-STOP");
            random.pause(500..8000).await;
            signal(server.pid(), "-CONT");
            "server stopped"
        }
        2 => {
            nodes[node].proxy.disconnect();
            "connection cut"
        }
        3 => {
            nodes[node].proxy.set_offline();
            random.pause(100..5000).await;
            nodes[node].proxy.set_online();
            "node offline"
        }
        4 => {
            nodes[node].proxy.drop_matching("HPUB ");
            random.pause(50..500).await;
            nodes[node].proxy.disconnect();
            "messages lost on the way"
        }
        5 => {
            let pid = nodes[node].child.id();
            signal(pid, "-STOP");
            random.pause(500..6000).await;
            signal(pid, "-CONT");
            "node stopped"
        }
        _ => {
            let mut old = nodes.swap_remove(node);
            old.kill();
            let replicas = if servers.len() == 3 { 3 } else { 1 };
            let name = format!("{}'", old.name);
            let server = usize::try_from(random.below(servers.len() as u64)).unwrap();
            nodes.push(Node::start(name, &servers[server], replicas, reports).await);
            killed.push(old.name);
            "node killed"
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "random faults for minutes: run by hand"]
async fn random_faults() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = setting("CHAOS_SEED", u64::try_from(now.as_millis()).unwrap());
    println!("CHAOS_SEED={seed}");
    let mut random = Random(seed.max(1));
    let mut servers: Vec<NatsServer> = match setting("CHAOS_SERVERS", 1) {
        1 => NatsServer::start().await.into_iter().collect(),
        3 => {
            let Some(servers) = NatsServer::cluster().await else { return };
            cluster::wait_cluster(&servers).await;
            servers.into()
        }
        other => panic!("CHAOS_SERVERS={other}: 1 or 3"),
    };
    if servers.is_empty() {
        return;
    }
    let replicas = servers.len();
    let (reports, mut nodes, mut killed) = (Reports::default(), Vec::new(), Vec::new());
    for number in 0..usize::try_from(setting("CHAOS_NODES", 4)).unwrap() {
        let server = &servers[number % servers.len()];
        nodes.push(Node::start(format!("n{number}"), server, replicas, &reports).await);
    }
    let end = tokio::time::Instant::now() + Duration::from_secs(setting("CHAOS_SECONDS", 120));
    let mut faults = HashMap::<_, u32>::new();
    tokio::time::sleep(Duration::from_secs(3)).await;
    while tokio::time::Instant::now() < end {
        let fault = cause_fault(&mut random, &mut servers, &mut nodes, &mut killed, &reports).await;
        *faults.entry(fault).or_default() += 1;
        random.pause(500..4000).await;
    }
    println!("faults: {faults:?}");
    // A loss on the way between two servers is known when the publisher's next message arrives.
    tokio::time::sleep(QUIET).await;
    for node in &mut nodes {
        writeln!(node.child.stdin.as_mut().unwrap(), "stop").unwrap();
    }
    tokio::time::sleep(SETTLE).await;
    nodes.iter_mut().for_each(Node::kill);

    let reports = std::mem::take(&mut *reports.lock().unwrap());
    let accounts = Account::of_all(&reports, &killed);
    accounts.iter().for_each(|account| println!("{account}"));
    let mut total = Account::default();
    accounts.iter().for_each(|account| total.add(account));
    println!("{total}");
    assert!(total.received > 0, "nothing was received");
    let folder = std::env::temp_dir().join(format!("ws-chaos-{seed}"));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, lines) in &reports {
        std::fs::write(folder.join(name), lines.join("\n")).unwrap();
    }
    println!("lines of the nodes: {}", folder.display());
    let violations = (total.duplicates, total.misordered, total.unreported, total.reported_in_vain);
    assert_eq!(violations, (0, 0, 0, 0));
}
