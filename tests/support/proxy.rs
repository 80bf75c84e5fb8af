//! A reverse proxy that a test starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::{TIMEOUT, free_port};

/// A proxy in front of a server, on a free port. Dropping it kills the proxy.
pub struct Proxy {
    pub addr: SocketAddr,
    folder: PathBuf,
    child: Child,
}

impl Proxy {
    /// Starts nginx. Returns `None` if nginx is not installed.
    ///
    /// # Panics
    ///
    /// Panics in that case if `CI=true`, because CI must not skip the tests.
    pub async fn nginx(server: SocketAddr) -> Option<Self> {
        Self::start("nginx", &["-c"], include_str!("../proxies/nginx.conf"), server).await
    }

    /// Like [`nginx`](Self::nginx), but starts HAProxy.
    pub async fn haproxy(server: SocketAddr) -> Option<Self> {
        Self::start("haproxy", &["-db", "-f"], include_str!("../proxies/haproxy.cfg"), server).await
    }

    async fn start(program: &str, arguments: &[&str], config: &str, server: SocketAddr) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ws-{program}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let config = config
            .replace("FOLDER", folder.to_str().unwrap())
            .replace("PORT", &addr.port().to_string())
            .replace("SERVER", &server.to_string());
        let path = folder.join("config");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(program);
        // Debian keeps daemons in `/usr/sbin`, which the `PATH` of other users lacks.
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        command.args(arguments).arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "{program}: {error}");
                println!("skipped: {program} is not installed ({error})");
                std::fs::remove_dir_all(&folder).unwrap();
                return None;
            }
        };
        let proxy = Self { addr, folder, child };
        let is_ready = async {
            while TcpStream::connect(addr).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, is_ready).await.unwrap_or_else(|_| panic!("{program} did not start"));
        Some(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
