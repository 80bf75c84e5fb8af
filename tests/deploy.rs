//! A new server process takes over from an old one, while a thousand clients connect again and again: with listeners
//! that both inherit, and with two listeners on one port.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tests::{TIMEOUT, handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use ws_core::prelude::*;

/// Name of the variable with the name of a server process.
const NAME: &str = "WS_CORE_DEPLOY_NAME";
/// Name of the variable with the address on which a process listens itself.
const ADDR: &str = "WS_CORE_DEPLOY_ADDR";
const WORKERS: &str = "WS_CORE_DEPLOY_WORKERS";

const CLIENTS: usize = 1000;

/// Handler that shows the name of its process.
#[websocket(path = "/name")]
#[derive(Default)]
struct Name;

#[websocket]
impl Name {
    #[on_open]
    fn open(&mut self) -> String {
        std::env::var(NAME).unwrap()
    }
}

#[tokio::test]
#[ignore = "a server process of the other tests"]
async fn server_process() {
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let stop = async move { _ = terminate.recv().await };
    let workers = std::env::var(WORKERS).unwrap().parse().unwrap();
    let router = Router::new().mount::<Name>().workers(workers).shutdown_timeout(TIMEOUT);
    let listeners = ws_core::Listener::inherited().unwrap();
    println!("LISTENERS {}.", listeners.len());
    match std::env::var(ADDR) {
        Ok(addr) => router.reuse_port(true).serve_with_shutdown(addr, stop).await.unwrap(),
        Err(_) => router.serve_listeners(listeners, stop).await.unwrap(),
    }
    println!("STOPPED.");
}

/// A server process, killed when dropped.
struct ServerProcess {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl ServerProcess {
    /// Starts a process that inherits a listener, as from systemd, or that listens on an address itself.
    fn start(name: &str, workers: usize, listener: &Listening) -> Self {
        // A shell, because the first inherited descriptor has the number 3.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 3<&0 </dev/null"#]).arg(std::env::current_exe().unwrap());
        command.args(["server_process", "--exact", "--ignored", "--nocapture"]);
        command.env(NAME, name).env(WORKERS, workers.to_string()).stdout(Stdio::piped());
        match listener {
            Listening::Inherited(listener) => {
                command.env("LISTEN_FDS", "1").stdin(OwnedFd::from(listener.try_clone().unwrap()));
            }
            Listening::Own(addr) => _ = command.env(ADDR, addr.to_string()).stdin(Stdio::null()),
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        let expected =
            if matches!(listener, Listening::Inherited(_)) { "LISTENERS 1." } else { "LISTENERS 0." };
        process.wait_for(expected);
        process
    }

    fn wait_for(&mut self, text: &str) {
        assert!(self.lines.any(|line| line.unwrap().contains(text)), "the process ends before {text}");
    }

    /// Stops the process with SIGTERM, and waits for its end.
    async fn stop(mut self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        tokio::task::spawn_blocking(move || {
            self.wait_for("STOPPED.");
            assert!(self.child.wait().unwrap().success());
        })
        .await
        .unwrap();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

enum Listening {
    Inherited(StdListener),
    Own(SocketAddr),
}

/// What the clients have seen.
#[derive(Debug, Default)]
struct Seen {
    old: AtomicUsize,
    new: AtomicUsize,
    refused: AtomicUsize,
    ended: AtomicUsize,
    is_over: AtomicBool,
}

impl Seen {
    fn counts(&self) -> [usize; 4] {
        [&self.old, &self.new, &self.refused, &self.ended].map(|count| count.load(Ordering::SeqCst))
    }
}

/// Connects, and returns the open connection with the name of its process.
async fn connect(addr: SocketAddr) -> std::io::Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(handshake("/name", "").as_bytes()).await?;
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        // A text frame of three bytes follows the head.
        let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|start| start + 4);
        if let Some([_, _, name @ ..]) = end.map(|end| &read[end..])
            && name.len() >= 3
        {
            assert!(read.starts_with(b"HTTP/1.1 101"), "{}", read.escape_ascii());
            let name = String::from_utf8(name[..3].to_vec()).unwrap();
            return Ok((stream, name));
        }
    }
}

/// A client that connects again until the end. Half of its connections are closed by the client after a while, the
/// other half stay until the server closes them.
async fn run_client(index: usize, addr: SocketAddr, seen: Arc<Seen>) -> String {
    // The clients connect at different times, and each at another time in every round.
    for round in 0_u64.. {
        let (mut stream, name) = loop {
            match connect(addr).await {
                Ok(connected) => break connected,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => &seen.refused,
                Err(_) => &seen.ended,
            }
            .fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_millis(10)).await;
        };
        let count = if name == "old" { &seen.old } else { &seen.new };
        count.fetch_add(1, Ordering::SeqCst);
        let stay = Duration::from_millis(200 + (index as u64 * 7919 + round * 104_729) % 1000);
        if seen.is_over.load(Ordering::SeqCst) && name == "new" {
            return name;
        }
        let stays = index.is_multiple_of(2) && name == "old";
        let until_closed = async { while stream.read_u8().await.is_ok() {} };
        let stay = if stays { 2 * TIMEOUT } else { stay };
        let _ = timeout(stay, until_closed).await;
    }
    unreachable!()
}

/// Runs the change from the old to the new process. Returns what the clients have seen.
async fn change(workers: usize, addr: SocketAddr, listening: &Listening) -> [usize; 4] {
    let old = ServerProcess::start("old", workers, listening);
    wait_until_listening(addr).await;
    let seen = Arc::<Seen>::default();
    let clients: Vec<_> =
        (0..CLIENTS).map(|index| tokio::spawn(run_client(index, addr, Arc::clone(&seen)))).collect();
    wait(|| seen.counts()[0] >= 2 * CLIENTS).await;
    let new = ServerProcess::start("new", workers, listening);
    // Both accept for a while.
    wait(|| seen.counts()[1] >= CLIENTS / 10).await;
    old.stop().await;
    seen.is_over.store(true, Ordering::SeqCst);
    for client in clients {
        assert_eq!(timeout(2 * TIMEOUT, client).await.expect("a client connects").unwrap(), "new");
    }
    drop(new);
    seen.counts()
}

async fn wait(is_done: impl Fn() -> bool) {
    timeout(6 * TIMEOUT, async {
        while !is_done() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the clients connect");
}

/// The process prints its line before it listens on an address of its own.
async fn wait_until_listening(addr: SocketAddr) {
    while TcpStream::connect(addr).await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn inherited_listener_loses_no_client() {
    for workers in [0, 1] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(4096).unwrap().into_std().unwrap();
        let addr = listener.local_addr().unwrap();
        let [old, new, refused, ended] = change(workers, addr, &Listening::Inherited(listener)).await;
        println!("workers {workers}: {old} on the old process, {new} on the new one");
        assert_eq!((refused, ended), (0, 0));
    }
}

/// Runs inside of a network namespace, whose setting is its own.
#[tokio::test]
#[ignore = "a process of the other test"]
async fn shared_port_in_a_namespace() {
    for workers in [0, 1] {
        let addr = SocketAddr::from(([127, 0, 0, 1], tests::free_port()));
        let [old, new, refused, ended] = change(workers, addr, &Listening::Own(addr)).await;
        println!("workers {workers}: {old} on the old process, {new} on the new one");
        assert_eq!((refused, ended), (0, 0));
    }
}

#[test]
fn shared_port_loses_no_client_if_linux_moves_them() {
    let script =
        "ip link set lo up && echo 1 >/proc/sys/net/ipv4/tcp_migrate_req && echo READY && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", script]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["shared_port_in_a_namespace", "--exact", "--ignored", "--nocapture"]);
    let Ok(output) = command.output() else { return eprintln!("skipped: no `unshare`") };
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.starts_with("READY") {
        return eprintln!("skipped: no namespace with `tcp_migrate_req`");
    }
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
