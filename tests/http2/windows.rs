//! Bounds of unread data per connection.

use std::collections::HashMap;

use super::*;

/// Windows: of a stream among up to 8, among up to 32, and among more, and of the connection.
const WIDE: usize = 64 << 10;
const MEDIUM: usize = 32 << 10;
const NARROW: usize = 4 << 10;
const CONNECTION: usize = 8 * WIDE + 24 * MEDIUM + 224 * NARROW;

/// Returns a binary message of four kibibytes.
fn message() -> Bytes {
    Bytes::from([&[0x82, 0xfe, 0x10, 0x00, 0, 0, 0, 0][..], &[1; 4096]].concat())
}

impl Setup {
    /// Returns a socket that the handler no longer reads, and its address.
    async fn paused(&self, client: &Connection) -> (Socket, Addr<Echo>) {
        let mut socket = client.open("/echo/paused").await;
        socket.text("pause").await;
        assert_eq!(socket.next_text().await, "pause");
        let addr = self.shared.addr.lock().unwrap().take().unwrap();
        (socket, addr)
    }
}

#[tokio::test]
async fn all_streams_but_one_may_be_blocked() {
    const MESSAGES: usize = 25;
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut paused = Vec::new();
    for _ in 0..255 {
        let (mut socket, addr) = setup.paused(&client).await;
        // More than any window; the client sends as much as flow control allows.
        for _ in 0..MESSAGES {
            socket.send.send_data(message(), false).unwrap();
        }
        paused.push((socket, addr));
    }
    let mut other = client.open("/echo/b").await;
    let mut large = vec![0x82, 0xff];
    large.extend((1_u64 << 20).to_be_bytes());
    large.resize(large.len() + 4 + (1 << 20), 0);
    for _ in 0..2 {
        other.raw(Bytes::from(large.clone())).await;
        assert_eq!(other.next_text().await, "1048576");
    }
    // No message is lost.
    for (_, addr) in &paused {
        addr.send(Active(true)).unwrap();
    }
    for (socket, _) in &mut paused {
        for _ in 0..MESSAGES {
            assert_eq!(socket.next_text().await, "4096");
        }
    }
}

#[tokio::test]
async fn narrows_windows_while_there_are_many_streams() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let window = |socket: &mut Socket| {
        socket.send.reserve_capacity(2 * WIDE);
        socket.send.capacity()
    };
    let mut sockets = Vec::new();
    for n in 1..=40 {
        let mut socket = client.open("/echo/a").await;
        // A new stream starts with the current window.
        let expected = match n {
            1..=8 => WIDE,
            9..=32 => MEDIUM,
            _ => NARROW,
        };
        assert_eq!(window(&mut socket), expected, "{n}");
        sockets.push(socket);
    }
    assert_eq!(window(&mut sockets[0]), NARROW);
    for mut socket in sockets.drain(4..) {
        socket.close(1000).await;
        assert_eq!(socket.close_code().await, 1000);
        socket.end();
        assert_eq!(socket.frame().await, None);
    }
    // The next frame on the connection carries the new setting.
    let widens = async {
        while window(&mut sockets[0]) != WIDE {
            sockets[1].text("and now?").await;
            assert_eq!(sockets[1].next_text().await, "and now?");
        }
    };
    tokio::time::timeout(TIMEOUT, widens).await.expect("windows are wide again");
    sockets[0].raw(message()).await;
    assert_eq!(sockets[0].next_text().await, "4096");
}

/// Raw connection that acknowledges no settings.
struct Stubborn {
    raw: tests::RawClient,
    /// Remaining window of the connection.
    room: usize,
    /// Bytes received per stream.
    received: HashMap<u32, Vec<u8>>,
    pongs: usize,
    goaway: Option<u32>,
}

impl Stubborn {
    async fn new(server: &Server) -> Self {
        let mut raw = server.raw().await;
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        raw.send(frame2(4, 0, 0, &[])).await;
        Self { raw, room: 65_535, received: HashMap::new(), pongs: 0, goaway: None }
    }

    async fn data(&mut self, stream: u32, bytes: &[u8]) {
        for part in bytes.chunks(16 << 10) {
            self.raw.send(frame2(0, 0, stream, part)).await;
        }
        self.room -= bytes.len();
    }

    /// Reads frames until the predicate holds.
    async fn until(&mut self, what: impl Fn(&Self) -> bool) {
        while !what(self) {
            let mut head = [0; 9];
            let read = self.raw.0.read_exact(&mut head);
            tokio::time::timeout(TIMEOUT, read).await.expect("a frame").unwrap();
            let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            self.raw.0.read_exact(&mut payload).await.unwrap();
            let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
            let word = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match head[3] {
                0 => self.received.entry(stream).or_default().extend(&payload),
                6 if head[4] == 1 => self.pongs += 1,
                7 => self.goaway = Some(word(4)),
                8 if stream == 0 => self.room += word(0) as usize,
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn connection_window_bounds_clients_that_ignore_settings() {
    let setup = setup().await;
    let mut client = Stubborn::new(&setup.server).await;
    let mut streams = Vec::new();
    // Without an acknowledgement, each stream keeps its wide window.
    for stream in (1..).step_by(2).take(CONNECTION / WIDE + 1) {
        client.raw.send(frame2(1, 4, stream, &handshake())).await;
        client.data(stream, &frame(0x81, b"pause")).await;
        client
            .until(|client| client.received.get(&stream).is_some_and(|received| received.ends_with(b"pause")))
            .await;
        streams.push(stream);
    }
    let mut unread = 0;
    for &stream in &streams {
        let mut left = (WIDE - 100).min(CONNECTION - unread);
        while left > 0 {
            // The window of the first messages is returned in time.
            client.until(|client| client.room > 0).await;
            let len = client.room.min(left);
            client.data(stream, &vec![0; len]).await;
            (left, unread) = (left - len, unread + len);
        }
    }
    client.raw.send(frame2(6, 0, 0, &[0; 8])).await;
    client.until(|client| client.pongs > 0).await;
    assert_eq!((unread, client.room, client.goaway), (CONNECTION, 0, None));
    // `FLOW_CONTROL_ERROR`.
    client.raw.send(frame2(0, 0, streams[0], &[0])).await;
    client.until(|client| client.goaway.is_some()).await;
    assert_eq!(client.goaway, Some(3));
}
