//! Servers with tokio-rustls by hand, after its example `server`, and the certificate of all servers.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::listen;

/// A certificate that signs itself, with its key, in PEM.
pub(super) struct Certificate {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Certificate {
    pub(super) fn generate() -> io::Result<Self> {
        let names = ["localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        Ok(Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }

    fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes());
        let (certificate, key) = (certificate.map_err(io::Error::other)?, key.map_err(io::Error::other)?);
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        Ok(TlsAcceptor::from(Arc::new(config.map_err(io::Error::other)?)))
    }
}

/// Performs TLS handshakes and calls `echo` with each stream.
pub(super) async fn serve<F, E>(
    addr: &str,
    echo: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    let acceptor = Certificate::generate()?.acceptor()?;
    let listener = listen(addr).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, echo) = (acceptor.clone(), echo.clone());
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = echo(stream).await;
            }
        });
    }
}
