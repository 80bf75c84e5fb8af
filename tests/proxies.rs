//! Connections behind nginx and HAProxy, with the configurations of the guide.
//!
//! The tests in this file are about close codes after a protocol error, those of `requests` about the rest.
//!
//! A proxy that still writes to a server whose TCP connection has ended can drop what the server sent last. The
//! client would then see 1006 instead of the server's code.

#[path = "proxies/requests.rs"]
mod requests;

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use tests::proxy::Proxy;
use tests::{RawClient, frame, handshake, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use ws_core::prelude::*;

/// The number of clients of each kind.
const CLIENTS: usize = 20;

/// The limits are those of the first clients that were lost behind a proxy. The long timeout is for busy machines.
#[websocket(path = "/limited", max_message_size = 1MiB, max_message_rate = 5, close_timeout = 60s)]
#[derive(Default)]
struct Limited;

#[websocket]
impl Limited {
    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

/// When a client reads the close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// While it writes.
    Meanwhile,
    /// After it has written everything.
    Afterwards,
}

/// Sends input, and returns the code of the close frame; `None` if the connection ends without one.
///
/// Like most clients, this one gives up when a write fails, although the close frame may have arrived.
async fn close_code(addr: SocketAddr, input: Arc<Vec<u8>>, reads: Reads) -> Option<u16> {
    let mut raw = RawClient(TcpStream::connect(addr).await.unwrap());
    assert_eq!(raw.request(&handshake("/limited", "")).await.status, 101);
    let (mut read, mut write) = raw.0.into_split();
    let send = async {
        write.write_all(&input).await.ok()?;
        Some(())
    };
    let receive = async {
        loop {
            let mut head = [0; 2];
            read.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; usize::from(head[1])];
            read.read_exact(&mut payload).await.ok()?;
            if head[0] == 0x88 {
                return Some(u16::from_be_bytes([payload[0], payload[1]]));
            }
        }
    };
    let code = match reads {
        Reads::Meanwhile => {
            let (sent, code) = tokio::join!(send, receive);
            sent.and(code)
        }
        Reads::Afterwards => {
            send.await?;
            receive.await
        }
    }?;
    write.write_all(&frame(0x88, &code.to_be_bytes())).await.ok()?;
    Some(code)
}

/// Checks that all clients see the code, whatever they send and whenever they read.
async fn check(addr: SocketAddr) {
    let large = |len| frame(0x82, &vec![7; len]);
    let inputs = [
        (1009, "2 MB", large(2_000_000)),
        (1009, "20 MB", large(20_000_000)),
        (1008, "20,000 texts", frame(0x81, &[b'x'; 100]).repeat(20_000)),
        (1002, "2 MB in a frame of an unknown kind", frame(0x83, &[7; 2_000_000])),
        (1007, "2 MB in frames after text that is not UTF-8", {
            [frame(0x01, b"\xff"), frame(0x80, &[b'x'; 500_000]).repeat(4)].concat()
        }),
    ];
    let mut lost = Vec::new();
    for (code, name, input) in inputs {
        let input = Arc::new(input);
        for reads in [Reads::Meanwhile, Reads::Afterwards] {
            let codes = join_all((0..CLIENTS).map(|_| close_code(addr, Arc::clone(&input), reads))).await;
            let seen = codes.iter().filter(|seen| **seen == Some(code)).count();
            println!("{code} after {name}, read {reads:?}: {seen} of {CLIENTS}");
            if seen < CLIENTS {
                lost.push((name, reads, codes));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:?}");
}

fn router() -> Router {
    Router::new().mount::<Limited>().fallback(health())
}

/// Answers the health checks of HAProxy, which otherwise sends no clients.
fn health() -> axum::Router {
    axum::Router::new().route("/healthz", axum::routing::get(async || "well"))
}

#[tokio::test]
async fn codes_arrive_without_a_proxy() {
    let server = serve(router()).await;
    check(server.addr).await;
}

#[tokio::test]
async fn codes_arrive_through_nginx() {
    let server = serve(router()).await;
    let Some(proxy) = Proxy::nginx(server.addr, &[]).await else { return };
    check(proxy.addr).await;
}

#[tokio::test]
async fn codes_arrive_through_haproxy() {
    let server = serve(router()).await;
    let Some(proxy) = Proxy::haproxy(server.addr, &[]).await else { return };
    check(proxy.addr).await;
}
