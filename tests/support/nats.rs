//! A NATS server that a test starts.

mod lossy_proxy;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use lossy_proxy::LossyProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{TIMEOUT, free_port};

/// A server with JetStream on a free port. Dropping it kills the server.
pub struct NatsServer {
    pub port: u16,
    monitor: u16,
    folder: PathBuf,
    has_jetstream: bool,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts a server. Returns `None` if `nats-server` is not installed.
    ///
    /// # Panics
    ///
    /// Panics in that case if `CI=true`, because CI must not skip the tests.
    pub async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// Like [`start`](Self::start), with a configuration, in which `FOLDER` stands for the server's folder.
    pub async fn start_with(config: &str) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let found = Command::new(program()).arg("--version").stdout(Stdio::null()).status();
        if let Err(error) = found {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "nats-server: {error}");
            println!("skipped: nats-server is not installed ({error})");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ws-nats-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config"), config.replace("FOLDER", folder.to_str().unwrap())).unwrap();
        // In operator mode, JetStream would need a system account.
        let has_jetstream = !config.starts_with("operator:");
        let mut server = Self { port: free_port(), monitor: free_port(), folder, has_jetstream, child: None };
        server.restart().await;
        Some(server)
    }

    /// Starts three servers that form a cluster shortly afterwards.
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

    /// Returns the number of the running server's process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server is stopped").id()
    }

    /// Returns the folder of the server's files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills the server. Its stored data remains.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Copies the stored data of a stopped server aside.
    pub fn save_store(&self) {
        assert!(self.child.is_none(), "the server writes to its store");
        copy_folder(&self.folder.join("jetstream"), &self.folder.join("saved"));
    }

    /// Replaces the stored data of a stopped server by the saved copy, as a restored backup would.
    pub fn restore_store(&self) {
        assert!(self.child.is_none(), "the server writes to its store");
        std::fs::remove_dir_all(self.folder.join("jetstream")).unwrap();
        copy_folder(&self.folder.join("saved"), &self.folder.join("jetstream"));
    }

    /// Starts the server again, with the same port and data.
    pub async fn restart(&mut self) {
        self.stop();
        let mut command = Command::new(program());
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
        tokio::time::timeout(TIMEOUT, is_ready).await.expect("nats-server did not start");
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else { return false };
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).await.is_ok() && greeting == *b"INFO"
    }

    /// Returns the number of the clients' subscriptions to a subject.
    pub async fn subscriptions(&self, subject: &str) -> usize {
        self.monitor_request("/connz?subs=1").await.matches(&format!("\"{subject}\"")).count()
    }

    /// Returns the number of connected clients.
    pub async fn connections(&self) -> usize {
        self.monitor_request("/connz").await.matches("\"cid\":").count()
    }

    /// Returns the number of clients that have connected since the server started.
    pub async fn connections_so_far(&self) -> usize {
        // One connection was the readiness check of `restart`.
        self.statistic("/varz", "total_connections").await - 1
    }

    /// Returns a number that the server reports under a path, the first one of that name.
    pub async fn statistic(&self, path: &str, name: &str) -> usize {
        let response = self.monitor_request(path).await;
        let (_, rest) = response.split_once(&format!("\"{name}\": ")).unwrap_or_else(|| panic!("{response}"));
        let digits = rest.split(|character: char| !character.is_ascii_digit()).next();
        digits.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{response}"))
    }

    async fn monitor_request(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.monitor)).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.0 200"), "{response}");
        response
    }
}

/// Returns the server's program: `NATS_SERVER`, for tests with another version, or else the installed one.
fn program() -> String {
    std::env::var("NATS_SERVER").unwrap_or_else(|_| "nats-server".into())
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (source, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if source.is_dir() {
            copy_folder(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
