//! A NATS server of one's own.

mod lossy_proxy;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use lossy_proxy::LossyProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::TIMEOUT;

/// A server with JetStream, on a free port; dropped, it is killed.
pub struct NatsServer {
    pub port: u16,
    monitor: u16,
    folder: PathBuf,
    has_jetstream: bool,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts one; `None` where there is no `nats-server`, unless `CI=true` says that there must be.
    pub async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// The same, with a configuration of its own. In it `FOLDER` is that of the server.
    pub async fn start_with(config: &str) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let found = Command::new("nats-server").arg("--version").stdout(Stdio::null()).status();
        if let Err(error) = found {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "nats-server: {error}");
            println!("skipped: there is no nats-server here ({error})");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ws-nats-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config"), config.replace("FOLDER", folder.to_str().unwrap())).unwrap();
        // It would need an account for the system.
        let has_jetstream = !config.starts_with("operator:");
        let mut server = Self { port: free_port(), monitor: free_port(), folder, has_jetstream, child: None };
        server.restart().await;
        Some(server)
    }

    /// Three that are a cluster, or will be: that takes a moment.
    pub async fn cluster() -> Option<[Self; 3]> {
        let ports = [(); 3].map(|()| free_port());
        let routes = ports.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
        let start = |number: usize| {
            let listen = format!("listen: \"127.0.0.1:{}\"", ports[number]);
            let config =
                format!("server_name: n{number}, cluster {{ name: ws, {listen}, routes: [{routes}] }}");
            async move { Self::start_with(&config).await }
        };
        Some([start(0).await?, start(1).await?, start(2).await?])
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills it. What it has stored stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it, where it was.
    pub async fn restart(&mut self) {
        self.stop();
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(self.folder.join("config"));
        if self.has_jetstream {
            command.arg("-js").arg("-sd").arg(&self.folder);
        }
        command.args(["-a", "127.0.0.1"]);
        command.args(["-p", &self.port.to_string(), "-m", &self.monitor.to_string()]);
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let is_ready = async {
            while !self.is_ready().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, is_ready).await.expect("nats-server starts");
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else { return false };
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).await.is_ok() && greeting == *b"INFO"
    }

    /// How many subscriptions its clients have to a subject.
    pub async fn subscriptions(&self, subject: &str) -> usize {
        self.monitor_request("/connz?subs=1").await.matches(&format!("\"{subject}\"")).count()
    }

    /// How many clients it has.
    pub async fn connections(&self) -> usize {
        self.monitor_request("/connz").await.matches("\"cid\":").count()
    }

    /// How many clients it has had since it was started.
    pub async fn connections_so_far(&self) -> usize {
        let response = self.monitor_request("/varz").await;
        let (_, rest) = response.split_once("\"total_connections\": ").expect("it counts them");
        let number: usize = rest.split(',').next().and_then(|number| number.trim().parse().ok()).unwrap();
        // One has asked whether it greets.
        number - 1
    }

    async fn monitor_request(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.monitor)).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(response.contains("\"connections\""), "{response}");
        response
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A port that nobody listens on, and that no client is given before the server takes it: those of clients
/// begin at 32768.
fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let begin = std::process::id() as usize * 101;
    loop {
        let port = 16_384 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 16_384;
        let port = u16::try_from(port).expect("they are that small");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
