//! TLS configuration, with rustls.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ServerConfig;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{self, InconsistentKeys};
use tokio_rustls::server::TlsStream;

use crate::error::{Result, TlsError};

#[cfg(feature = "http2")]
pub(super) const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// A certificate and its key from PEM files, for
/// [`serve_tls_listener`](crate::Router::serve_tls_listener).
///
/// Both can be [reloaded](Tls::reload) while they are in use; all clones share them. The server supports
/// TLS 1.2 and 1.3, and requests no certificates from clients.
///
/// ```
/// use ws_core::{Tls, prelude::*};
/// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
/// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ws_core::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("ws-core-tls-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
/// # std::fs::write(&cert, made.cert.pem()).unwrap();
/// # std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
/// let tls = Tls::load(&cert, &key)?;
/// let renewed = tls.clone();
/// # let stop = async move {
/// // When there is a new certificate, for example on a signal or once a day:
/// if let Err(error) = renewed.reload() {
///     eprintln!("still using the old certificate: {error}");
/// }
/// # std::fs::remove_dir_all(folder).unwrap();
/// # };
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
/// Router::new().mount::<Echo>().serve_tls_listener(listener, tls, stop).await
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<CertificateFiles>);

/// The paths of the files, and the configuration that was made from them.
struct CertificateFiles {
    cert: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads a certificate chain, the server's own certificate first, and its key. They can be in two PEM
    /// files or in one. The call blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`](crate::Error::Tls), which names the file and its defect.
    pub fn load(cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let (cert, key) = (cert.as_ref().to_owned(), key.as_ref().to_owned());
        let config = RwLock::new(Arc::new(load_config(&cert, &key)?));
        Ok(Self(Arc::new(CertificateFiles { cert, key, config })))
    }

    /// Reads the files again, for later handshakes. Open connections keep the certificate that they have.
    /// The call blocks on the disk.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load). The old certificate then stays in use.
    pub fn reload(&self) -> Result<()> {
        let config = Arc::new(load_config(&self.0.cert, &self.0.key)?);
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.0.config.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// Omits the key.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("cert", &self.0.cert).field("key", &self.0.key).finish_non_exhaustive()
    }
}

/// Reads the files and checks that the key belongs to the certificate.
fn load_config(cert: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(cert)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| malformed(cert, error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert.to_owned()));
    }
    let private_key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(key.to_owned()),
        error => malformed(key, error),
    })?;
    let provider = Arc::new(ring::default_provider());
    build_config(chain, private_key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() }
        }
        error => TlsError::Unusable { cert: cert.to_owned(), source: error.into() },
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn malformed(path: &Path, error: pem::Error) -> TlsError {
    TlsError::Malformed { path: path.to_owned(), source: error.into() }
}

fn build_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let certified = CertifiedKey::from_der(chain, key, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    #[cfg(feature = "http2")]
    config.alpn_protocols.push(ALPN_HTTP2.to_vec());
    config.alpn_protocols.push(ALPN_HTTP1.to_vec());
    Ok(config)
}
