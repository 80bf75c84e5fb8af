//! TLS configuration, with rustls.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::ring::{self, Ticketer};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert, ServerConfig,
    WebPkiClientVerifier,
};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys, RootCertStore};
use tokio_rustls::server::TlsStream;

use crate::error::{BoxError, Result, TlsError};
use crate::sync::lock;

#[cfg(feature = "http2")]
pub(super) const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Certificates and their keys from PEM files, for
/// [`serve_tls_listener`](crate::Router::serve_tls_listener) and [`Listener::tls`](crate::Listener::tls).
///
/// All files can be [reloaded](Tls::reload) while they are in use; all clones share them. The server supports TLS 1.2
/// and 1.3. Clients resume their sessions by tickets, whose keys are those of the process: after a reload or a restart
/// they do a full handshake. With [`client_ca`](Tls::client_ca), no session is resumed; without it, the server requests
/// no certificates from clients.
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
pub struct Tls(Arc<Shared>);

/// The files, and the configuration that was made from them.
struct Shared {
    files: Files,
    config: RwLock<Arc<ServerConfig>>,
    /// Held during a reload, so that of two at a time the one that reads the files last also stores its result last.
    reload: Mutex<()>,
}

/// The paths of all files.
#[derive(Clone, Debug)]
struct Files {
    default: CertificateFiles,
    /// The certificates of names.
    named: Vec<(String, CertificateFiles)>,
    client_ca: Option<ClientCa>,
}

/// The paths of a certificate and its key.
#[derive(Clone, Debug)]
struct CertificateFiles {
    cert: PathBuf,
    key: PathBuf,
}

/// The authorities that sign certificates of clients.
#[derive(Clone, Debug)]
struct ClientCa {
    path: PathBuf,
    is_required: bool,
}

impl Tls {
    /// Reads a certificate chain, the server's own certificate first, and its key. They can be in two PEM
    /// files or in one. The call blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`](crate::Error::Tls), which names the file and its defect.
    pub fn load(cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        Self::new(Files { default: CertificateFiles::new(cert, key), named: Vec::new(), client_ca: None })
    }

    /// Adds the certificate of a name, for clients that connect to the name (SNI, RFC 6066 §3). `*.example.org` stands
    /// for all names with one label more. Clients that send another name or none get the certificate of
    /// [`load`](Self::load). The call blocks on the disk. Earlier clones do not get the certificate.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load). Also if the certificate is not valid for the name.
    ///
    /// ```
    /// use ws_core::Tls;
    ///
    /// fn certificates() -> ws_core::Result<Tls> {
    ///     Tls::load("example.org.pem", "example.org.key")?
    ///         .certificate("example.com", "example.com.pem", "example.com.key")?
    ///         .certificate("*.example.com", "example.com.pem", "example.com.key")
    /// }
    /// assert!(certificates().is_err()); // There are no such files.
    /// ```
    pub fn certificate(self, name: &str, cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let mut files = self.0.files.clone();
        files.named.push((name.to_ascii_lowercase(), CertificateFiles::new(cert, key)));
        Self::new(files)
    }

    /// Requires a certificate of each client, signed by one of the authorities in a PEM file. The TLS handshake of
    /// other clients fails, so that no request of theirs reaches a handler or the fallback. Handlers extract the
    /// certificate as [`ClientCertificate`](crate::ClientCertificate). The call blocks on the disk. Earlier clones require none.
    ///
    /// Each connection does a full handshake, so that a certificate that has expired is not accepted again: a session
    /// that is resumed would have the certificate of its first handshake. An open connection outlives the certificate.
    /// Revocation lists are not checked: remove an authority, and [reload](Self::reload).
    ///
    /// # Errors
    ///
    /// [`Error::Tls`](crate::Error::Tls), which names the file and its defect.
    ///
    /// ```
    /// # use ws_core::Tls;
    /// fn internal() -> ws_core::Result<Tls> {
    ///     Tls::load("cert.pem", "key.pem")?.client_ca("clients.pem")
    /// }
    /// assert!(internal().is_err()); // There are no such files.
    /// ```
    pub fn client_ca(self, file: impl AsRef<Path>) -> Result<Self> {
        self.with_client_ca(file.as_ref(), true)
    }

    /// Like [`client_ca`](Self::client_ca), but also accepts clients without a certificate, whose sessions are not resumed
    /// either. `#[on_upgrade]` then has
    /// an `Option<ClientCertificate>`. A certificate of another authority still fails.
    ///
    /// # Errors
    ///
    /// Those of [`client_ca`](Self::client_ca).
    ///
    /// ```
    /// # use ws_core::Tls;
    /// fn mixed() -> ws_core::Result<Tls> {
    ///     Tls::load("cert.pem", "key.pem")?.optional_client_ca("clients.pem")
    /// }
    /// assert!(mixed().is_err()); // There are no such files.
    /// ```
    pub fn optional_client_ca(self, file: impl AsRef<Path>) -> Result<Self> {
        self.with_client_ca(file.as_ref(), false)
    }

    fn with_client_ca(self, path: &Path, is_required: bool) -> Result<Self> {
        let client_ca = Some(ClientCa { path: path.to_owned(), is_required });
        Self::new(Files { client_ca, ..self.0.files.clone() })
    }

    fn new(files: Files) -> Result<Self> {
        let config = RwLock::new(Arc::new(files.load()?));
        Ok(Self(Arc::new(Shared { files, config, reload: Mutex::default() })))
    }

    /// Reads all files again, for later handshakes. Open connections keep the certificates that they have.
    /// The call blocks on the disk, and until another one that is under way has ended.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load). The old certificates then stay in use.
    pub fn reload(&self) -> Result<()> {
        let _guard = lock(&self.0.reload);
        let config = Arc::new(self.0.files.load()?);
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.0.config.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// Omits the keys.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.0.files).finish_non_exhaustive()
    }
}

impl Files {
    fn load(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut certificates = CertificateResolver {
            default: self.default.load(&provider)?,
            named: HashMap::with_capacity(self.named.len()),
        };
        for (name, files) in &self.named {
            let certificate = files.load(&provider)?;
            check_name(&certificate, name).map_err(|error| unusable(&files.cert, error))?;
            certificates.named.insert(name.clone(), certificate);
        }
        let verifier = match &self.client_ca {
            Some(client_ca) => client_ca.load(&provider)?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let config = build_config(certificates, verifier, self.client_ca.is_some(), provider);
        config.map_err(|error| unusable(&self.default.cert, error))
    }
}

impl CertificateFiles {
    fn new(cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        Self { cert: cert.as_ref().to_owned(), key: key.as_ref().to_owned() }
    }

    /// Reads the files and checks that the key belongs to the certificate.
    fn load(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let Self { cert, key } = self;
        let chain = read_certificates(cert)?;
        let private_key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey(key.to_owned()),
            error => malformed(key, error),
        })?;
        let certified =
            CertifiedKey::from_der(chain, private_key, provider).map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() }
                }
                error => unusable(cert, error),
            })?;
        Ok(Arc::new(certified))
    }
}

impl ClientCa {
    fn load(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(&self.path)? {
            roots.add(certificate).map_err(|error| unusable(&self.path, error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let verifier = if self.is_required { verifier } else { verifier.allow_unauthenticated() };
        verifier.build().map_err(|error| unusable(&self.path, error))
    }
}

/// Resolver of the certificate for the name that a client connects to.
#[derive(Debug)]
struct CertificateResolver {
    default: Arc<CertifiedKey>,
    named: HashMap<String, Arc<CertifiedKey>>,
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().filter(|_| !self.named.is_empty()).and_then(|name| {
            let name = name.to_ascii_lowercase();
            let wildcard = || Some(format!("*.{}", name.split_once('.')?.1));
            self.named.get(&name).or_else(|| self.named.get(&wildcard()?))
        });
        Some(Arc::clone(named.unwrap_or(&self.default)))
    }
}

/// Checks that a certificate is valid for a name or a wildcard.
fn check_name(certificate: &CertifiedKey, name: &str) -> Result<(), rustls::Error> {
    // A wildcard in the certificate matches any label.
    let name = name.strip_prefix("*.").map_or_else(|| name.to_owned(), |rest| format!("any-label.{rest}"));
    let name = ServerName::try_from(name).map_err(|error| rustls::Error::General(error.to_string()))?;
    verify_server_name(&ParsedCertificate::try_from(certificate.end_entity_cert()?)?, &name)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| malformed(path, error))?;
    if certificates.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(certificates) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn malformed(path: &Path, error: pem::Error) -> TlsError {
    TlsError::Malformed { path: path.to_owned(), source: error.into() }
}

fn unusable(path: &Path, error: impl Into<BoxError>) -> TlsError {
    TlsError::Unusable { cert: path.to_owned(), source: error.into() }
}

fn build_config(
    certificates: CertificateResolver,
    verifier: Arc<dyn ClientCertVerifier>,
    with_client_ca: bool,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificates));
    if with_client_ca {
        // A session that is resumed has the certificate of its first handshake, which is not checked again.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
    } else {
        // Without tickets, the server would store the sessions, and only the newest 256.
        config.ticketer = Ticketer::new()?;
    }
    #[cfg(feature = "http2")]
    config.alpn_protocols.push(ALPN_HTTP2.to_vec());
    config.alpn_protocols.push(ALPN_HTTP1.to_vec());
    Ok(config)
}
