//! Clients over TCP, TLS and proxies.

#[path = "client/sessions.rs"]
mod sessions;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tests::TIMEOUT;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};
use ws_core::client::{Client, ConnectError, Disconnect, Ended};
use ws_core::prelude::*;

/// A server that greets a client by its header and closes.
#[websocket(path = "/greet")]
struct Greeter(String);

#[websocket]
impl Greeter {
    #[on_upgrade]
    fn make(headers: HeaderMap) -> Self {
        Self(headers.get("x-name").map_or("stranger", |name| name.to_str().unwrap()).to_owned())
    }
    #[on_text]
    fn greet(&mut self, text: &str) -> (String, Close) {
        (format!("{text}, {}", self.0), Close::new(4000, "bye"))
    }
}

/// A client that says hello, and passes on the greeting and the server's address.
#[websocket]
struct Guest(mpsc::UnboundedSender<(String, Option<SocketAddr>)>);

#[websocket]
impl Guest {
    #[on_open]
    fn open(&mut self) -> &'static str {
        "hello"
    }
    #[on_text]
    fn greeted(&mut self, text: String, cx: &mut Context<Self>) {
        self.0.send((text, cx.peer_addr())).unwrap();
    }
}

fn once(client: Client) -> Client {
    client.reconnect(|_: &Disconnect<'_>| None)
}

/// Runs a client until its first end. Returns the greeting and the server's address.
async fn greeting(client: Client) -> Result<(String, Option<SocketAddr>), ConnectError> {
    let (sender, mut greetings) = mpsc::unbounded_channel();
    let ended: Ended =
        tokio::time::timeout(TIMEOUT, once(client).run(|| Guest(sender.clone()))).await.expect("it ends")?;
    assert_eq!(ended.reason, CloseReason::Remote(Some(Close::new(4000, "bye"))));
    Ok(greetings.recv().await.unwrap())
}

/// A certificate for `localhost`, and the server's address with TLS.
struct TlsServer {
    addr: SocketAddr,
    roots: ClientConfig,
}

/// Passes TLS connections on to a server without TLS.
async fn terminate_tls(server: SocketAddr) -> TlsServer {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the certificate leaves.
                let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                let mut tcp = TcpStream::connect(server).await.unwrap();
                _ = copy_bidirectional(&mut tls, &mut tcp).await;
            });
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let roots = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsServer { addr, roots }
}

/// A proxy that logs the heads of requests, and refuses a tunnel without these credentials.
async fn proxy(credentials: Option<&'static str>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (log, heads) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let log = log.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(tcp.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
                let is_allowed = credentials.is_none_or(|credentials| head.contains(credentials));
                let target = head.split_whitespace().nth(1).unwrap().to_owned();
                _ = log.send(head);
                if !is_allowed {
                    let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
                    tcp.write_all(refusal).await.unwrap();
                    return;
                }
                let mut server = TcpStream::connect(target).await.unwrap();
                tcp.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                _ = copy_bidirectional(&mut tcp, &mut server).await;
            });
        }
    });
    (addr, heads)
}

#[tokio::test]
async fn connects_over_tcp() {
    let server = tests::serve(Router::new().mount::<Greeter>()).await;
    let url = format!("ws://{}/greet", server.addr);
    let greeted = greeting(Client::new(&url).no_proxy().header("X-Name", "Ada")).await.unwrap();
    assert_eq!(greeted, ("hello, Ada".to_owned(), Some(server.addr)));
    let error = greeting(Client::new(&format!("ws://{}/nowhere", server.addr)).no_proxy()).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
    assert!(error.is_permanent());
}

#[tokio::test]
async fn connects_over_tls() {
    let server = tests::serve(Router::new().mount::<Greeter>()).await;
    let TlsServer { addr, roots } = terminate_tls(server.addr).await;
    let url = format!("wss://localhost:{}/greet", addr.port());
    let trusting = Client::new(&url).no_proxy().tls(roots.clone());
    assert_eq!(greeting(trusting).await.unwrap(), ("hello, stranger".to_owned(), Some(addr)));
    // The certificate is of no public authority.
    let error = greeting(Client::new(&url).no_proxy()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)) && error.is_permanent(), "{error}");
    // The certificate is of another name.
    let other = Client::new(&format!("wss://127.0.0.1:{}/greet", addr.port())).no_proxy().tls(roots);
    let error = greeting(other).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)) && error.is_permanent(), "{error}");
    // The server does not speak TLS.
    let plain = Client::new(&format!("wss://localhost:{}/greet", server.addr.port())).no_proxy();
    let error = greeting(plain).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)) && !error.is_permanent(), "{error}");
}

#[tokio::test]
async fn connects_over_proxies() {
    let server = tests::serve(Router::new().mount::<Greeter>()).await;
    let TlsServer { addr, roots } = terminate_tls(server.addr).await;
    // `user:secret`
    let (proxy, mut heads) = proxy(Some("basic dxnlcjpzzwnyzxq=")).await;
    let with_proxy = |url: String, proxy: String| Client::new(&url).proxy(&proxy).tls(roots.clone());

    let url = format!("ws://{}/greet", server.addr);
    let greeted = greeting(with_proxy(url.clone(), format!("http://user:secret@{proxy}"))).await.unwrap();
    assert_eq!(greeted, ("hello, stranger".to_owned(), None));
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with(&format!("connect {} http/1.1\r\n", server.addr)), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", server.addr)), "{head}");

    let secure = format!("wss://localhost:{}/greet", addr.port());
    greeting(with_proxy(secure, format!("http://user:secret@{proxy}"))).await.unwrap();
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with(&format!("connect localhost:{} http/1.1\r\n", addr.port())), "{head}");

    let error = greeting(with_proxy(url.clone(), format!("http://user:wrong@{proxy}"))).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::ProxyRefused(StatusCode::PROXY_AUTHENTICATION_REQUIRED)),
        "{error}"
    );
    assert!(error.is_permanent());

    // TLS to the proxy, and no TLS to the server.
    let TlsServer { addr: secure_proxy, roots } = terminate_tls(proxy).await;
    let proxy = format!("https://user:secret@localhost:{}", secure_proxy.port());
    let greeted = greeting(Client::new(&url).proxy(&proxy).tls(roots)).await.unwrap();
    assert_eq!(greeted, ("hello, stranger".to_owned(), None));
}

/// A proxy that reads nothing, begins an answer with this text, and repeats `rest` as long as the client reads.
async fn hostile_proxy(begin: &'static str, rest: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(begin.as_bytes()).await.unwrap();
        while !rest.is_empty() && tcp.write_all(rest.as_bytes()).await.is_ok() {}
        // The client ends the attempt.
        std::future::pending::<()>().await;
    });
    url
}

#[tokio::test]
async fn answers_of_proxies_are_bounded() {
    for (begin, rest) in
        [("HTTP/1.1 200 x\r\nx: ", "x"), ("HTTP/1.1 200 x\r\n", "x: y\r\n"), ("SSH-2.0", "\r\n")]
    {
        let proxy = hostile_proxy(begin, rest).await;
        let error = greeting(Client::new("ws://server.test/").proxy(&proxy)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Http(_)), "{begin:?}: {error}");
    }
    for begin in ["", "HTTP/1.1 200 x\r\nx: "] {
        let proxy = hostile_proxy(begin, "").await;
        let client = Client::new("ws://server.test/").proxy(&proxy);
        let error = greeting(client.connect_timeout(Duration::from_millis(200))).await.unwrap_err();
        assert!(matches!(error, ConnectError::Timeout), "{begin:?}: {error}");
    }
}

/// Run by [`environment_names_the_proxy`] in a process with its own environment.
#[tokio::test]
#[ignore = "needs the environment of another test"]
async fn in_an_environment() {
    let Ok(url) = std::env::var("TEST_URL") else { return };
    let client = Client::new(&url).connect_timeout(Duration::from_secs(5));
    match greeting(client).await {
        Ok((_, addr)) => println!("greeted by {addr:?}"),
        Err(error) => println!("failed: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environment_names_the_proxy() {
    let server = tests::serve(Router::new().mount::<Greeter>()).await;
    let (proxy, mut heads) = proxy(None).await;
    let url = format!("ws://{}/greet", server.addr);
    let proxy = format!("http://{proxy}");
    let run = |variables: &[(&str, &str)]| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "in_an_environment", "--ignored", "--nocapture"]);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"] {
            child.env_remove(name).env_remove(name.to_lowercase());
        }
        child.env("TEST_URL", &url).envs(variables.iter().copied());
        let output = tokio::task::block_in_place(|| child.output()).unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let direct = format!("greeted by Some({})", server.addr);
    for (variables, over_proxy) in [
        (&[][..], false),
        (&[("ALL_PROXY", proxy.as_str())][..], true),
        (&[("HTTP_PROXY", proxy.as_str())][..], true),
        (&[("HTTPS_PROXY", proxy.as_str())][..], false),
        (&[("ALL_PROXY", proxy.as_str()), ("NO_PROXY", "127.0.0.1")][..], false),
    ] {
        let output = run(variables);
        let expect = if over_proxy { "greeted by None" } else { direct.as_str() };
        assert!(output.contains(expect), "{variables:?}: {output}");
        assert_eq!(heads.try_recv().is_ok(), over_proxy, "{variables:?}");
    }
}
