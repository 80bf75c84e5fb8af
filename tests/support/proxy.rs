//! A reverse proxy that a test starts, with a configuration of the guide.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::{TIMEOUT, free_port};

/// The guide's configuration is a file that the main configuration of a system includes. This one needs no
/// rights of root.
const NGINX_MAIN: &str = "
daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/error.log;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    include FOLDER/site;
}
";

/// A proxy in front of a server, on free ports. Dropping it kills the proxy.
pub struct Proxy {
    pub addr: SocketAddr,
    /// The address inside TLS.
    pub tls_addr: SocketAddr,
    /// The certificate for `localhost`, as PEM.
    pub certificate: String,
    folder: PathBuf,
    child: Child,
}

impl Proxy {
    /// Starts nginx, with edits of its configuration: texts, each with its replacement. Returns `None` if nginx
    /// is not installed.
    ///
    /// # Panics
    ///
    /// Panics in that case if `CI=true`, because CI must not skip the tests.
    pub async fn nginx(server: SocketAddr, edits: &[(&str, &str)]) -> Option<Self> {
        let site = Config::new(include_str!("../proxies/nginx.conf"), server, edits);
        let site = site
            .replace("listen 80;", &format!("listen {};", site.addr))
            .replace("listen 443 ssl;", &format!("listen {} ssl;", site.tls_addr))
            .replace("/etc/ssl/app.example/fullchain.pem", &site.file("fullchain.pem"))
            .replace("/etc/ssl/app.example/privkey.pem", &site.file("privkey.pem"));
        fs::write(site.file("site"), &site.text).unwrap();
        let main = NGINX_MAIN.replace("FOLDER", site.folder.to_str().unwrap());
        site.start("nginx", &["-c"], &main).await
    }

    /// Like [`nginx`](Self::nginx), but starts HAProxy.
    pub async fn haproxy(server: SocketAddr, edits: &[(&str, &str)]) -> Option<Self> {
        let config = Config::new(include_str!("../proxies/haproxy.cfg"), server, edits);
        let config = config
            .replace("bind :80\n", &format!("bind {}\n", config.addr))
            .replace("bind :443 ", &format!("bind {} ", config.tls_addr))
            .replace("/etc/haproxy/app.example.pem", &config.file("both.pem"))
            // More file descriptors than a user may have.
            .replace("maxconn 50000", "maxconn 500");
        let text = config.text.clone();
        config.start("haproxy", &["-db", "-f"], &text).await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A configuration, and what its proxy needs.
struct Config {
    text: String,
    addr: SocketAddr,
    tls_addr: SocketAddr,
    certificate: String,
    folder: PathBuf,
}

impl Config {
    fn new(text: &str, server: SocketAddr, edits: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ws-proxy-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let certificate = write_certificate(&folder);
        let [addr, tls_addr] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let config = Self { text: text.to_owned(), addr, tls_addr, certificate, folder };
        let config = config.replace("127.0.0.1:9000", &server.to_string());
        edits.iter().fold(config, |config, (from, to)| config.replace(from, to))
    }

    /// Replaces a text that the configuration must contain.
    fn replace(&self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "the configuration has no {from:?}");
        let (certificate, folder) = (self.certificate.clone(), self.folder.clone());
        Self { text: self.text.replace(from, to), certificate, folder, ..*self }
    }

    /// Returns the path of a file of the proxy.
    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    async fn start(self, program: &str, arguments: &[&str], main: &str) -> Option<Proxy> {
        let path = self.file("config");
        fs::write(&path, main).unwrap();
        let mut command = Command::new(program);
        // Debian keeps daemons in `/usr/sbin`, which the `PATH` of other users lacks.
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        command.args(arguments).arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "{program}: {error}");
                println!("skipped: {program} is not installed ({error})");
                fs::remove_dir_all(&self.folder).unwrap();
                return None;
            }
        };
        let Self { addr, tls_addr, certificate, folder, .. } = self;
        let proxy = Proxy { addr, tls_addr, certificate, folder, child };
        let is_ready = async {
            while TcpStream::connect(addr).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, is_ready).await.unwrap_or_else(|_| panic!("{program} did not start"));
        Some(proxy)
    }
}

/// Writes a certificate for `localhost` and its key, separately and in one file, and returns the certificate.
fn write_certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    fs::write(folder.join("fullchain.pem"), &certificate).unwrap();
    fs::write(folder.join("privkey.pem"), &key).unwrap();
    fs::write(folder.join("both.pem"), format!("{certificate}{key}")).unwrap();
    certificate
}
