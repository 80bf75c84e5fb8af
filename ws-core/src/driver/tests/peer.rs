//! A client that writes and reads frames by hand, so that a test can break the protocol, and the log of its
//! handler.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::start;
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::handler::Handler;
use crate::options::Options;
pub(super) use crate::wire::testing::frame;

/// Log that a handler writes, in order.
pub(super) type Log = mpsc::UnboundedSender<String>;

/// The client's side of a connection to a handler.
pub(super) struct Peer {
    pub(super) io: DuplexStream,
    pub(super) log: mpsc::UnboundedReceiver<String>,
    pub(super) task: JoinHandle<crate::CloseReason>,
    pub(super) connections: Arc<ConnectionTracker>,
}

/// A frame from the server.
#[derive(PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{:?}", self.opcode, String::from_utf8_lossy(&self.payload))
    }
}

/// Connects a client to a handler through 64 bytes of buffer in each direction.
pub(super) fn connect<H: Handler>(make: impl FnOnce(Log) -> H) -> Peer {
    connect_with(64, H::CHECKED_DECLARATION.options, make)
}

/// Connects a client to a handler with its own options and buffer size.
pub(super) fn connect_with<H: Handler>(buffer: usize, options: Options, make: impl FnOnce(Log) -> H) -> Peer {
    let (client, server) = duplex(buffer);
    let (log, events) = mpsc::unbounded_channel();
    let connections = Arc::<ConnectionTracker>::default();
    let permit = connections.admit(&ConnectionLimits::new(10), None).ok();
    let task = start(make(log), options, server, permit);
    Peer { io: client, log: events, task, connections }
}

/// Returns the declared options with a change.
pub(super) fn options<H: Handler>(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = H::CHECKED_DECLARATION.options;
    change(&mut options);
    options
}

impl Peer {
    pub(super) async fn send(&mut self, text: &str) {
        self.raw(&frame(0x81, text.as_bytes())).await;
    }

    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the server reads");
    }

    pub(super) async fn close(&mut self, code: u16) {
        self.raw(&frame(0x88, &code.to_be_bytes())).await;
    }

    /// Returns the next frame, or `None` at the end of the stream.
    pub(super) async fn frame(&mut self) -> Option<Frame> {
        let (first, payload) = self.fragment().await?;
        assert_eq!(first & 0x70, 0, "reserved bits");
        assert_ne!(first & 0x80, 0, "the server does not fragment");
        Some(Frame { opcode: first & 0x0f, payload })
    }

    /// Returns the first byte and the payload of the next frame, which may be a fragment or compressed.
    pub(super) async fn fragment(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.io.read_u8().await.ok()?;
        let len = match self.io.read_u8().await.ok()? {
            126 => usize::from(self.io.read_u16().await.ok()?),
            127 => usize::try_from(self.io.read_u64().await.ok()?).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; len];
        self.io.read_exact(&mut payload).await.ok()?;
        Some((first, payload))
    }

    /// Returns the next message, which has to be text.
    #[track_caller]
    pub(super) fn text(&mut self) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            match self.frame().await {
                Some(Frame { opcode: 1, payload }) => String::from_utf8(payload).unwrap(),
                other => panic!("{caller}: expected text, got {other:?}"),
            }
        }
    }

    /// Returns the code of the close frame that has to be next, 0 if the frame is empty. Then the stream has to
    /// end.
    #[track_caller]
    pub(super) fn closed(&mut self) -> impl Future<Output = u16> {
        let caller = std::panic::Location::caller();
        async move {
            let code = match self.frame().await {
                Some(Frame { opcode: 8, payload }) if payload.is_empty() => 0,
                Some(Frame { opcode: 8, payload }) => u16::from_be_bytes([payload[0], payload[1]]),
                other => panic!("{caller}: expected a close frame, got {other:?}"),
            };
            if code != 0 {
                // The server may have closed the stream already.
                let _ = self.io.write_all(&frame(0x88, &code.to_be_bytes())).await;
            }
            assert_eq!(self.frame().await, None, "{caller}: the stream is open after the close handshake");
            code
        }
    }

    /// Returns whether no frame arrives within `time`.
    pub(super) async fn is_silent(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.frame()).await.is_err()
    }

    /// Returns the next line of the handler's log.
    pub(super) async fn event(&mut self) -> String {
        self.log.recv().await.unwrap_or_else(|| "handler dropped".into())
    }

    /// Disconnects and returns the remaining lines of the handler's log.
    pub(super) async fn events(mut self) -> Vec<String> {
        drop(self.io);
        let mut events = Vec::new();
        while let Some(event) = self.log.recv().await {
            events.push(event);
        }
        self.task.await.expect("the connection does not panic");
        events
    }
}
