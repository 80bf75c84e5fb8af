//! An HTTP/2 client built on h2, with WebSocket frames in its streams.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use hyper::{HeaderMap, Method, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::{Server, TIMEOUT, frame};

/// An HTTP/2 connection.
pub struct Connection {
    pub requests: SendRequest<Bytes>,
    /// The task that drives the connection and ends with it.
    pub task: JoinHandle<Result<(), h2::Error>>,
}

/// A complete HTTP response.
pub struct Http2Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

/// A WebSocket in one HTTP/2 stream.
pub struct Socket {
    pub response: Response<()>,
    pub send: SendStream<Bytes>,
    pub recv: RecvStream,
    read: BytesMut,
}

impl Server {
    /// Connects without TLS and with prior knowledge of HTTP/2.
    pub async fn http2(&self) -> Connection {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Connection::new(stream).await
    }
}

/// Returns the extended CONNECT request of RFC 8441 §5.1.
pub fn connect(path: &str) -> Request<()> {
    let uri = format!("http://server.example.com{path}");
    Request::builder()
        .method(Method::CONNECT)
        .uri(uri)
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("origin", "http://server.example.com")
        .body(())
        .unwrap()
}

impl Connection {
    pub async fn new(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self::with(stream, &mut Builder::new()).await
    }

    /// Like [`new`](Self::new), with the settings of `builder`, for example flow-control windows.
    pub async fn with(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        builder: &mut Builder,
    ) -> Self {
        // The connection's window is large, so that only the windows of streams limit the server.
        builder.initial_connection_window_size(16 << 20).data_frame_budget(1 << 30);
        let handshake = builder.handshake(stream);
        let (requests, connection) = handshake.await.unwrap();
        let task = tokio::spawn(connection);
        let mut requests: SendRequest<Bytes> = requests.ready().await.unwrap();
        for _ in 0..200 {
            if requests.is_extended_connect_protocol_enabled() {
                return Self { requests, task };
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            requests = requests.ready().await.unwrap();
        }
        panic!("the server does not offer the extended CONNECT");
    }

    /// Opens a WebSocket at a path.
    pub async fn open(&self, path: &str) -> Socket {
        self.socket(connect(path)).await
    }

    pub async fn socket(&self, request: Request<()>) -> Socket {
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (response, send) = requests.send_request(request, false).unwrap();
        let response =
            tokio::time::timeout(TIMEOUT, response).await.expect("timed out waiting for a response").unwrap();
        assert_eq!(response.status(), 200);
        let (parts, recv) = response.into_parts();
        Socket { response: Response::from_parts(parts, ()), send, recv, read: BytesMut::new() }
    }

    /// Sends a request and reads the whole response. A body of `None` leaves the stream open.
    pub async fn request(
        &self,
        request: Request<()>,
        body: Option<&[u8]>,
    ) -> Result<Http2Response, h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let (response, mut send) = requests.send_request(request, body == Some(b""))?;
        if let Some(body) = body.filter(|body| !body.is_empty()) {
            send.send_data(Bytes::copy_from_slice(body), true)?;
        }
        let response =
            tokio::time::timeout(TIMEOUT, response).await.expect("timed out waiting for a response")?;
        let (parts, mut recv) = response.into_parts();
        let mut read = BytesMut::new();
        while let Some(data) = recv.data().await {
            let data = data?;
            recv.flow_control().release_capacity(data.len())?;
            read.extend_from_slice(&data);
        }
        let body = String::from_utf8(read.to_vec()).unwrap();
        Ok(Http2Response { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// Waits until the server has closed the connection.
    pub async fn join(self) -> Result<(), h2::Error> {
        drop(self.requests);
        tokio::time::timeout(TIMEOUT, self.task).await.expect("the connection did not end").unwrap()
    }
}

impl Socket {
    /// Sends bytes as flow control permits.
    pub async fn raw(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let len = self.capacity(bytes.len()).await.expect("the window stays closed");
            self.send.send_data(bytes.split_to(len.min(bytes.len())), false).unwrap();
        }
    }

    /// Returns how many bytes can be sent, or `None` if the window stays closed for half a second.
    pub async fn capacity(&mut self, len: usize) -> Option<usize> {
        self.send.reserve_capacity(len);
        if self.send.capacity() > 0 {
            return Some(self.send.capacity());
        }
        let capacity = poll_fn(|task| self.send.poll_capacity(task));
        match tokio::time::timeout(Duration::from_millis(500), capacity).await {
            Ok(capacity) => Some(capacity.unwrap().unwrap()),
            Err(_) => None,
        }
    }

    pub async fn text(&mut self, text: &str) {
        self.raw(frame(0x81, text.as_bytes()).into()).await;
    }

    pub async fn close(&mut self, code: u16) {
        self.raw(frame(0x88, &code.to_be_bytes()).into()).await;
    }

    /// Sends `END_STREAM`.
    pub fn end(&mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
    }

    /// Reads a frame. Returns its first byte and its payload, or `None` at `END_STREAM`.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        self.try_frame().await.unwrap()
    }

    /// Like [`frame`](Self::frame), but returns an error if the stream is reset.
    pub async fn try_frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, h2::Error> {
        loop {
            if let Some((head, len)) = self.head()
                && self.read.len() >= head + len
            {
                let frame = self.read.split_to(head + len);
                return Ok(Some((frame[0], frame[head..].to_vec())));
            }
            let data =
                tokio::time::timeout(TIMEOUT, self.recv.data()).await.expect("timed out waiting for data");
            let Some(data) = data.transpose()? else { return Ok(None) };
            self.recv.flow_control().release_capacity(data.len())?;
            self.read.extend_from_slice(&data);
        }
    }

    /// Returns the lengths of the next frame's header and payload.
    fn head(&self) -> Option<(usize, usize)> {
        match *self.read.get(1)? {
            126 => Some((4, u16::from_be_bytes(self.read.get(2..4)?.try_into().unwrap()).into())),
            127 => {
                let len = u64::from_be_bytes(self.read.get(2..10)?.try_into().unwrap());
                Some((10, len.try_into().unwrap()))
            }
            len => Some((2, len.into())),
        }
    }

    /// Reads a text message.
    pub async fn next_text(&mut self) -> String {
        let (first, payload) = self.frame().await.expect("the stream has ended");
        assert_eq!(first, 0x81, "{payload:?}");
        String::from_utf8(payload).unwrap()
    }

    /// Reads a close frame. Returns its code.
    pub async fn close_code(&mut self) -> u16 {
        let (first, payload) = self.frame().await.expect("the stream has ended");
        assert_eq!(first, 0x88, "{payload:?}");
        u16::from_be_bytes([payload[0], payload[1]])
    }

    /// Waits for the server's `RST_STREAM`. Returns its code, or `None` if none arrives in time.
    pub async fn reset(&mut self, within: Duration) -> Option<h2::Reason> {
        let reset = poll_fn(|task| self.send.poll_reset(task));
        tokio::time::timeout(within, reset).await.ok().map(Result::unwrap)
    }
}
