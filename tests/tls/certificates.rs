//! Certificates of clients, certificates by name, and sessions that clients resume.

#[path = "../spans/recorder.rs"]
mod recorder;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use recorder::Lines;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{HandshakeKind, SupportedProtocolVersion};
use tracing::subscriber::{NoSubscriber, set_default};
use tracing::{Dispatch, Level};
use ws_core::ClientCertificate;

use super::*;

/// Handler that shows the name in the certificate of its client.
#[websocket(path = "/private")]
struct Private(String);

#[websocket]
impl Private {
    #[on_upgrade]
    fn make(certificate: ClientCertificate) -> Self {
        assert_eq!(certificate.chain().next(), Some(certificate.der()));
        Self(name(&certificate).to_owned())
    }

    #[on_open]
    fn open(&mut self) -> &str {
        &self.0
    }
}

/// Returns which of the names of this test a certificate contains.
fn name(certificate: &ClientCertificate) -> &'static str {
    let contains = |name: &str| certificate.der().windows(name.len()).any(|part| part == name.as_bytes());
    ["alice", "mallory"].into_iter().find(|name| contains(name)).unwrap_or("unknown")
}

/// An authority that signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Returns a certificate for a client.
    fn client(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], key.serialize_der())
    }
}

/// A certificate and its key.
type Identity = (Vec<CertificateDer<'static>>, Vec<u8>);

fn config(roots: &[&Path], identity: Option<&Identity>) -> Arc<ClientConfig> {
    config_with(&[&TLS12, &TLS13], roots, identity)
}

fn config_with(
    versions: &[&'static SupportedProtocolVersion],
    roots: &[&Path],
    identity: Option<&Identity>,
) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(store);
    Arc::new(match identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.clone()));
            config.with_client_auth_cert(chain.clone(), key).unwrap()
        }
    })
}

/// A server with the given certificates.
struct Served {
    addr: SocketAddr,
    _stop: oneshot::Sender<()>,
}

async fn serve(tls: Tls) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let page = async |certificate: Option<ClientCertificate>| certificate.as_ref().map_or("none", name);
    let pages = axum::Router::new().route("/page", axum::routing::get(page));
    let router = Router::new().mount::<Private>().fallback(pages);
    tokio::spawn(router.serve_tls_listener(listener, tls, async { _ = stopped.await }));
    Served { addr, _stop: stop }
}

impl Served {
    async fn connect(
        &self,
        config: &Arc<ClientConfig>,
        name: &'static str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.addr).await?;
        TlsConnector::from(Arc::clone(config)).connect(ServerName::try_from(name).unwrap(), stream).await
    }

    /// Requests the page. Returns its text, and how the TLS handshake was done.
    async fn page(&self, config: &Arc<ClientConfig>) -> std::io::Result<(String, HandshakeKind)> {
        let mut stream = self.connect(config, "localhost").await?;
        stream.write_all(b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
        let mut page = String::new();
        tokio::time::timeout(TIMEOUT, stream.read_to_string(&mut page)).await.unwrap()?;
        let kind = stream.get_ref().1.handshake_kind().unwrap();
        Ok((page.rsplit("\r\n\r\n").next().unwrap().to_owned(), kind))
    }

    /// Returns the first message of the handler, or the status of the rejection.
    async fn private(&self, config: &Arc<ClientConfig>) -> Result<String, u16> {
        let stream = self.connect(config, "localhost").await.unwrap();
        match tokio_tungstenite::client_async("wss://localhost/private", stream).await {
            Ok((mut socket, _)) => Ok(receive(&mut socket).await.into_text().unwrap().to_string()),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn required_certificate_of_a_client() {
    let (files, authority) = (Files::new(), Authority::new());
    let ca = files.0.join("ca.pem");
    fs::write(&ca, &authority.pem).unwrap();
    let server = serve(files.load().unwrap().client_ca(&ca).unwrap()).await;
    let cert = files.cert();
    let alice = config(&[&cert], Some(&authority.client("alice")));
    assert_eq!(server.private(&alice).await.unwrap(), "alice");

    let lines = Lines::default();
    // While there is one subscriber only, `tracing` disables a line that a thread without it reaches first.
    let _other = Dispatch::new(NoSubscriber::default());
    let _guard = set_default(lines.subscriber(Level::DEBUG));
    // No certificate, one of another authority, and one that is its own authority.
    let other = Authority::new().client("mallory");
    let own = rcgen::generate_simple_self_signed(["mallory".to_owned()]).unwrap();
    let own = (vec![own.cert.der().clone()], own.signing_key.serialize_der());
    for identity in [None, Some(&other), Some(&own)] {
        let error = server.page(&config(&[&cert], identity)).await.unwrap_err();
        assert!(error.to_string().contains("alert"), "{error}");
        let logged = lines.take();
        let found = logged.iter().find(|line| line.contains("TLS handshake failed")).expect("a line");
        let reason =
            if identity.is_some() { "invalid peer certificate" } else { "peer sent no certificates" };
        assert!(found.starts_with("DEBUG") && found.contains(reason), "{found}");
    }
}

#[tokio::test]
async fn optional_certificate_of_a_client() {
    let (files, authority) = (Files::new(), Authority::new());
    let ca = files.0.join("ca.pem");
    fs::write(&ca, &authority.pem).unwrap();
    let server = serve(files.load().unwrap().optional_client_ca(&ca).unwrap()).await;
    let cert = files.cert();
    let alice = config(&[&cert], Some(&authority.client("alice")));
    assert_eq!(server.page(&alice).await.unwrap().0, "alice");
    let nobody = config(&[&cert], None);
    assert_eq!(server.page(&nobody).await.unwrap().0, "none");
    assert_eq!(server.private(&nobody).await, Err(403));
    let mallory = config(&[&cert], Some(&Authority::new().client("mallory")));
    assert!(server.page(&mallory).await.is_err());
}

/// A session that is resumed would have a certificate that may have expired since.
#[tokio::test]
async fn sessions_with_certificates_of_clients_are_not_resumed() {
    let (files, authority) = (Files::new(), Authority::new());
    let ca = files.0.join("ca.pem");
    fs::write(&ca, &authority.pem).unwrap();
    let alice = authority.client("alice");
    let tls = || files.load().unwrap();
    for (tls, kind) in [
        // The clients of this test offer to resume.
        (tls(), HandshakeKind::Resumed),
        (tls().client_ca(&ca).unwrap(), HandshakeKind::Full),
        (tls().optional_client_ca(&ca).unwrap(), HandshakeKind::Full),
    ] {
        let server = serve(tls).await;
        for version in [&TLS12, &TLS13] {
            let client = config_with(&[version], &[&files.cert()], Some(&alice));
            assert_eq!(server.page(&client).await.unwrap().1, HandshakeKind::Full, "{version:?}");
            assert_eq!(server.page(&client).await.unwrap().1, kind, "{version:?}");
        }
    }
}

#[tokio::test]
async fn handlers_over_http2_have_the_certificate() {
    let (files, authority) = (Files::new(), Authority::new());
    let ca = files.0.join("ca.pem");
    fs::write(&ca, &authority.pem).unwrap();
    let server = serve(files.load().unwrap().client_ca(&ca).unwrap()).await;
    let cert = files.cert();
    let mut alice = (*config(&[&cert], Some(&authority.client("alice")))).clone();
    alice.alpn_protocols = vec![b"h2".to_vec()];
    let client = Connection::new(server.connect(&Arc::new(alice), "localhost").await.unwrap()).await;
    assert_eq!(client.open("/private").await.next_text().await, "alice");
}

#[tokio::test]
async fn reload_ends_the_trust_in_an_authority() {
    let (files, authority) = (Files::new(), Authority::new());
    let ca = files.0.join("ca.pem");
    fs::write(&ca, &authority.pem).unwrap();
    let tls = files.load().unwrap().client_ca(&ca).unwrap();
    let server = serve(tls.clone()).await;
    let alice = config(&[&files.cert()], Some(&authority.client("alice")));
    assert_eq!(server.page(&alice).await.unwrap().0, "alice");
    // A malformed file changes nothing.
    fs::write(&ca, "oops").unwrap();
    assert!(matches!(tls.reload(), Err(Error::Tls(TlsError::NoCertificate(path))) if path == ca));
    assert_eq!(server.page(&alice).await.unwrap().0, "alice");
    fs::write(&ca, Authority::new().pem).unwrap();
    tls.reload().unwrap();
    assert!(server.page(&alice).await.is_err());
}

#[test]
fn invalid_authorities_are_errors_that_name_the_file() {
    let files = Files::new();
    let ca = files.0.join("ca.pem");
    let load = || files.load().unwrap().client_ca(&ca).unwrap_err().to_string();
    assert!(load().contains("cannot read `"));
    fs::write(&ca, "").unwrap();
    assert!(load().contains("no certificate in `"));
    fs::write(&ca, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(load().contains("ca.pem` cannot be used"));
}

#[tokio::test]
async fn name_selects_the_certificate() {
    let files = Files::new();
    let make = |name: &str, subject: &str| {
        let made = rcgen::generate_simple_self_signed([subject.to_owned()]).unwrap();
        let (cert, key) = (files.0.join(format!("{name}.pem")), files.0.join(format!("{name}.key")));
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (cert, key)
    };
    let (exact, wild) = (make("exact", "exact.example"), make("wild", "*.wild.example"));
    let tls = files.load().unwrap();
    // A name that the certificate is not valid for, and a name that is none.
    for name in ["other.example", "*.exact.example", "not a name", ""] {
        let error = tls.clone().certificate(name, &exact.0, &exact.1).unwrap_err().to_string();
        assert!(error.contains("exact.pem` cannot be used"), "{error}");
    }
    let tls = tls.certificate("Exact.Example", &exact.0, &exact.1).unwrap();
    let tls = tls.certificate("*.wild.example", &wild.0, &wild.1).unwrap();
    let server = serve(tls.clone()).await;
    let shown = async |name| {
        let cert = files.cert();
        let config = config(&[&cert, &exact.0, &wild.0], None);
        let mut config = (*config).clone();
        // The client accepts each of the three, for any name.
        config.dangerous().set_certificate_verifier(Arc::new(AnyName));
        let stream = server.connect(&Arc::new(config), name).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        let is_shown = |path: &Path| CertificateDer::from_pem_file(path).unwrap() == shown;
        ["exact", "wild", "cert"].into_iter().find(|name| is_shown(&files.0.join(format!("{name}.pem"))))
    };
    for (name, expected) in [
        ("exact.example", "exact"),
        ("EXACT.example", "exact"),
        ("a.wild.example", "wild"),
        ("a.b.wild.example", "cert"),
        ("wild.example", "cert"),
        ("localhost", "cert"),
        ("example", "cert"),
        // An address is not sent.
        ("127.0.0.1", "cert"),
    ] {
        assert_eq!(shown(name).await, Some(expected), "{name}");
    }
    make("exact", "exact.example");
    tls.reload().unwrap();
    assert_eq!(shown("exact.example").await, Some("exact"));
}

#[tokio::test]
async fn clients_resume_sessions_after_many_others() {
    let files = Files::new();
    let server = serve(files.load().unwrap()).await;
    let cert = files.cert();
    let first = config(&[&cert], None);
    assert_eq!(server.page(&first).await.unwrap().1, HandshakeKind::Full);
    // More than a store of the server would hold.
    for _ in 0..300 {
        let other = config(&[&cert], None);
        assert_eq!(server.page(&other).await.unwrap().1, HandshakeKind::Full);
    }
    assert_eq!(server.page(&first).await.unwrap().1, HandshakeKind::Resumed);
}

/// A verifier of a test that compares the certificate itself.
#[derive(Debug)]
struct AnyName;

mod verifier {
    use tokio_rustls::rustls::client::danger::{
        HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
    };
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use tokio_rustls::rustls::{DigitallySignedStruct, Error, SignatureScheme, crypto::ring};

    use super::AnyName;

    impl ServerCertVerifier for AnyName {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            ring::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}
