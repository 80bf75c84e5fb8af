//! Clients over streams in memory, on a paused clock.

#[cfg(feature = "contract")]
mod answers;
mod bounds;
mod flow;
mod handlers;
mod reconnecting;
mod remotes;
mod session_bounds;
mod session_cuts;
mod session_restarts;
mod sessions;

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;
use crate::close::{Close, CloseReason};
use crate::prelude::*;
use crate::sync::lock;

/// Returns a client whose connections `serve` gets, with their numbers from 1.
fn client<F>(serve: impl Fn(usize, DuplexStream) -> F + Send + Sync + 'static) -> Client
where
    F: Future<Output = ()> + Send + 'static,
{
    let (count, serving) = (AtomicUsize::new(0), Mutex::new(None::<JoinHandle<()>>));
    Client::new("ws://server.test/feed").connector(move || {
        let (client, server) = duplex(1 << 16);
        let task = tokio::spawn(serve(count.fetch_add(1, Ordering::Relaxed) + 1, server));
        let earlier = lock(&serving).replace(task);
        async move {
            // A check of the server that has failed fails the test.
            if let Some(earlier) = earlier.filter(JoinHandle::is_finished)
                && let Err(error) = earlier.await
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
            Ok(client)
        }
    })
}

/// Accepts a WebSocket.
async fn accept(io: DuplexStream) -> WebSocketStream<DuplexStream> {
    accept_async(io).await.unwrap()
}

/// Reads the head of a request.
async fn read_head(io: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Accepts a WebSocket, and returns the stream of frames.
async fn accept_raw(mut io: DuplexStream) -> DuplexStream {
    let head = read_head(&mut io).await;
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-Websocket-Key: ")).unwrap();
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    io.write_all(response.as_bytes()).await.unwrap();
    io
}

/// Waits until the client has closed the stream.
async fn wait_closed(io: &mut DuplexStream) {
    let _ = io.read_to_end(&mut Vec::new()).await;
}

/// A log that handlers share with their test.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, entry: impl ToString) {
        lock(&self.0).push(entry.to_string());
    }

    fn entries(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

/// A handler that logs its texts and its end.
#[websocket(max_message_size = 1KiB)]
#[derive(Default)]
struct Logger(Log);

#[websocket]
impl Logger {
    #[on_open]
    fn open(&mut self) {
        self.0.add("open");
    }
    #[on_text]
    fn text(&mut self, text: &str) {
        self.0.add(text);
    }
    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.add(reason);
    }
}

/// A server that closes with a code as soon as the connection is open.
#[websocket]
struct Closer(u16);

#[websocket]
impl Closer {
    #[on_open]
    fn open(&mut self) -> Close {
        self.0.into()
    }
}

/// Runs a server's handler over a stream.
async fn serve<H: Handler>(handler: H, io: DuplexStream) {
    crate::drive(handler, accept(io).await).await;
}
