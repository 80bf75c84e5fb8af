//! The client side of WebSockets over HTTP/2 (RFC 8441): one thread, with the crate h2.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use hyper::{Method, Request};
use tokio::runtime::{self, Runtime};

use super::{Parser, tcp};

/// Windows of the client, large enough that only those of the server limit a run.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

pub(crate) struct Http2Load {
    runtime: Runtime,
    sockets: Vec<Socket>,
}

/// A WebSocket in a stream.
struct Socket {
    send: SendStream<Bytes>,
    recv: RecvStream,
    parser: Parser,
    pongs: Vec<u8>,
}

impl Http2Load {
    /// Opens TCP connections with a number of WebSockets each.
    pub(crate) fn connect(port: u16, connections: usize, sockets: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let sockets = runtime.block_on(async {
            let mut opened = Vec::new();
            for number in 0..connections {
                let mut requests = connect(tcp(port, number)?).await?;
                for _ in 0..sockets {
                    opened.push(Socket::open(&mut requests).await?);
                }
            }
            Ok::<_, io::Error>(opened)
        })?;
        Ok(Self { runtime, sockets })
    }

    /// Sends a message on one socket and returns the payload of the answer.
    pub(crate) fn request(&mut self, bytes: &Bytes) -> io::Result<Vec<u8>> {
        let socket = &mut self.sockets[0];
        socket.parser.collected = Some(Vec::new());
        self.runtime.block_on(socket.exchange(bytes))?;
        Ok(socket.parser.collected.take().unwrap_or_default())
    }

    /// Sends a message on every socket, waits for its answer, and repeats. Returns the nanoseconds of each exchange.
    pub(crate) fn run(&mut self, bytes: &Bytes, duration: Duration) -> io::Result<Vec<u32>> {
        let end = Instant::now() + duration;
        let sockets = std::mem::take(&mut self.sockets);
        self.runtime.block_on(async {
            let run = |socket: Socket| tokio::spawn(socket.run(bytes.clone(), end));
            let tasks: Vec<_> = sockets.into_iter().map(run).collect();
            let mut latencies = Vec::new();
            for task in tasks {
                let (socket, taken) = task.await.map_err(io::Error::other)??;
                self.sockets.push(socket);
                latencies.extend(taken);
            }
            Ok(latencies)
        })
    }
}

/// Performs the HTTP/2 handshake, and waits for the server's settings.
async fn connect(tcp: TcpStream) -> io::Result<SendRequest<Bytes>> {
    tcp.set_nonblocking(true)?;
    let mut builder = Builder::new();
    builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    let handshake = builder.handshake(tokio::net::TcpStream::from_std(tcp)?);
    let (requests, connection) = handshake.await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let requests = requests.ready().await.map_err(io::Error::other)?;
    for _ in 0..1_000 {
        if requests.is_extended_connect_protocol_enabled() {
            return Ok(requests);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Err(io::Error::other("the server does not enable extended CONNECT"))
}

impl Socket {
    async fn open(requests: &mut SendRequest<Bytes>) -> io::Result<Self> {
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri("http://localhost/")
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        let request = request.body(()).map_err(io::Error::other)?;
        *requests = requests.clone().ready().await.map_err(io::Error::other)?;
        let (response, send) = requests.send_request(request, false).map_err(io::Error::other)?;
        let response = response.await.map_err(io::Error::other)?;
        if response.status() != 200 {
            return Err(io::Error::other(format!("the handshake was refused: {}", response.status())));
        }
        Ok(Self { send, recv: response.into_body(), parser: Parser::default(), pongs: Vec::new() })
    }

    async fn run(mut self, bytes: Bytes, end: Instant) -> io::Result<(Self, Vec<u32>)> {
        let mut latencies = Vec::new();
        loop {
            let start = Instant::now();
            if start >= end {
                return Ok((self, latencies));
            }
            self.exchange(&bytes).await?;
            latencies.push(start.elapsed().as_nanos() as u32);
        }
    }

    /// Sends a message and waits for the answer. h2 keeps what the server's window does not admit yet.
    async fn exchange(&mut self, bytes: &Bytes) -> io::Result<()> {
        self.send.send_data(bytes.clone(), false).map_err(io::Error::other)?;
        loop {
            let Some(data) = self.recv.data().await else {
                return Err(io::Error::other("the server ended the stream"));
            };
            let data = data.map_err(io::Error::other)?;
            self.recv.flow_control().release_capacity(data.len()).map_err(io::Error::other)?;
            let messages = self.parser.feed(&data, &mut self.pongs)?;
            if !self.pongs.is_empty() {
                let pongs = std::mem::take(&mut self.pongs);
                self.send.send_data(pongs.into(), false).map_err(io::Error::other)?;
            }
            if messages > 0 {
                return Ok(());
            }
        }
    }
}
