//! This project inside TLS, after `examples/wss.rs`.

use std::{env, fs, io};

use tokio::net::TcpListener;
use ws_core::Tls;

use super::Mode;
use super::tls::Certificate;
use super::ws_core::{router, with_workers};

/// Serves with this number of worker threads beside the runtime's, or with the default.
pub(super) async fn serve(addr: &str, workers: Option<usize>) -> io::Result<()> {
    let tls = load(&Certificate::generate()?)?;
    let listener = TcpListener::bind(addr).await?;
    let router = with_workers(router(Mode::Tls), workers);
    router.serve_tls_listener(listener, tls, std::future::pending()).await.map_err(io::Error::other)
}

/// Writes the certificate to files, from which this project reads it.
fn load(made: &Certificate) -> io::Result<Tls> {
    let folder = env::temp_dir().join(format!("benches-tls-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&certificate, &made.certificate)?;
    fs::write(&key, &made.key)?;
    let tls = Tls::load(&certificate, &key);
    fs::remove_dir_all(&folder)?;
    tls.map_err(io::Error::other)
}
