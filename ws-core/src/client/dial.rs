//! Byte streams to a server: over TCP, a proxy, TLS.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::{fmt, io};

use axum_core::body::Body;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::ConnectError;
use super::exchange::{BoxIo, Exchange, exchange};
use super::tcp::connect_tcp;
use super::url::ServerUrl;

/// The future of a [`Connector`].
type ConnectFuture = Pin<Box<dyn Future<Output = io::Result<BoxIo>> + Send>>;

/// The function of the user that opens byte streams.
type Connector = Arc<dyn Fn() -> ConnectFuture + Send + Sync>;

/// The way to a server.
#[derive(Clone, Default)]
pub(super) struct Dialer {
    pub(super) proxy: ProxyChoice,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) connector: Option<Connector>,
}

/// The proxy of a client.
#[derive(Clone, Debug, Default)]
pub(super) enum ProxyChoice {
    /// The proxy that the environment names.
    #[default]
    Environment,
    None,
    /// The proxy with this URL.
    Url(String),
}

impl Dialer {
    /// Opens a byte stream. Returns it with the server's address, if the stream is a TCP socket to the server.
    pub(super) async fn dial(&self, url: &ServerUrl) -> Result<(BoxIo, Option<SocketAddr>), ConnectError> {
        let (io, peer) = match &self.connector {
            Some(connect) => (connect().await.map_err(ConnectError::Io)?, None),
            None => match self.proxy(url)? {
                None => {
                    let tcp = connect_tcp(&url.host, url.port).await.map_err(ConnectError::Io)?;
                    let peer = tcp.peer_addr().map_err(ConnectError::Io)?;
                    (Box::new(tcp) as BoxIo, Some(peer))
                }
                Some(proxy) => (self.tunnel(url, &proxy).await?, None),
            },
        };
        let io = if url.is_tls { self.connect_tls(io, &url.host).await? } else { io };
        Ok((io, peer))
    }

    /// Returns the proxy for a URL.
    fn proxy(&self, url: &ServerUrl) -> Result<Option<Intercept>, ConnectError> {
        let matcher = match &self.proxy {
            ProxyChoice::None => return Ok(None),
            ProxyChoice::Environment => Matcher::from_env(),
            ProxyChoice::Url(proxy) => Matcher::builder().all(proxy.as_str()).build(),
        };
        let proxy = url.as_http().and_then(|url| matcher.intercept(&url));
        match (proxy, &self.proxy) {
            (None, ProxyChoice::Url(proxy)) => {
                Err(ConnectError::Proxy(format!("invalid URL {:?}", without_credentials(proxy))))
            }
            (proxy, _) => Ok(proxy),
        }
    }

    /// Opens a tunnel through a proxy (RFC 9110 §9.3.6).
    async fn tunnel(&self, url: &ServerUrl, proxy: &Intercept) -> Result<BoxIo, ConnectError> {
        let uri = proxy.uri();
        let unusable = |reason: String| ConnectError::Proxy(reason);
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let (is_tls, default_port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            scheme => {
                let scheme = scheme.unwrap_or_default();
                return Err(unusable(format!("the scheme `{scheme}` is neither `http` nor `https`")));
            }
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let io: BoxIo = Box::new(connect_tcp(host, port).await.map_err(ConnectError::Io)?);
        let io = if is_tls { self.connect_tls(io, host).await? } else { io };
        let target = url.tunnel_target();
        let authority = target.parse().map_err(|_| ConnectError::Url("invalid host".into()))?;
        let mut uri = hyper::http::uri::Parts::default();
        uri.authority = Some(authority);
        let uri = Uri::from_parts(uri).map_err(|error| ConnectError::Url(error.to_string()))?;
        let mut request = Request::builder().method(Method::CONNECT).uri(uri).header(HOST, target);
        if let Some(credentials) = proxy.basic_auth() {
            request = request.header(PROXY_AUTHORIZATION, credentials);
        }
        let request = request.body(Body::empty()).map_err(|error| unusable(error.to_string()))?;
        match exchange(io, request, |status| status.is_success()).await? {
            Exchange::Switched(_, io) => Ok(io),
            Exchange::Refused(parts, _) => Err(ConnectError::ProxyRefused(parts.status)),
        }
    }

    async fn connect_tls(&self, io: BoxIo, host: &str) -> Result<BoxIo, ConnectError> {
        let config = self.tls.clone().unwrap_or_else(default_tls);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ConnectError::Url(format!("the host {host:?} cannot have a certificate")))?;
        let tls = TlsConnector::from(config).connect(name, io).await.map_err(ConnectError::Tls)?;
        Ok(Box::new(tls))
    }
}

/// Returns the configuration with Mozilla's certificate authorities, which all clients share.
fn default_tls() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of the default versions");
        http1_only(builder.with_root_certificates(roots).with_no_client_auth())
    });
    Arc::clone(config)
}

/// Sets the protocol after TLS: another one than HTTP/1.1 would not understand the handshake.
pub(super) fn http1_only(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Returns a URL without its user and password.
fn without_credentials(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
            format!("{scheme}{host}")
        }
        None => url.to_owned(),
    }
}

/// Omits the connector, and the credentials of the proxy.
impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = match &self.proxy {
            ProxyChoice::Environment => "of the environment".to_owned(),
            ProxyChoice::None => "none".to_owned(),
            ProxyChoice::Url(url) => without_credentials(url),
        };
        f.debug_struct("Dialer").field("proxy", &proxy).finish_non_exhaustive()
    }
}
