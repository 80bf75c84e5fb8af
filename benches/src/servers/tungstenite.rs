//! tokio-tungstenite, after its examples `echo-server` (forwards whole messages) and `server` (a chat with a
//! map of unbounded senders).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::{Message, Result};

use super::order::answer;
use super::{MAILBOX, Mode, TICK, burst, listen};

type Peers = Arc<Mutex<HashMap<SocketAddr, mpsc::UnboundedSender<Message>>>>;

pub(super) async fn serve(mode: Mode, addr: &str) -> std::io::Result<()> {
    let listener = listen(addr).await?;
    let peers = Peers::default();
    loop {
        let (stream, addr) = listener.accept().await?;
        match mode {
            Mode::Fanout => tokio::spawn(fanout(stream, addr, peers.clone())),
            Mode::Timer => tokio::spawn(timer(stream)),
            Mode::Info => tokio::spawn(info(stream)),
            Mode::Rpc => tokio::spawn(rpc(stream)),
            Mode::Json => tokio::spawn(orders(stream)),
            _ => tokio::spawn(echo(stream)),
        };
    }
}

/// Serves a connection, also inside TLS.
pub(super) async fn echo<S>(stream: S) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (write, read) = accept_async(stream).await?.split();
    read.try_filter(|message| future::ready(message.is_text() || message.is_binary())).forward(write).await
}

async fn fanout(stream: TcpStream, addr: SocketAddr, peers: Peers) -> Result<()> {
    let mut ws = accept_async(stream).await?;
    let (tx, mut rx) = mpsc::unbounded_channel();
    peers.lock().unwrap_or_else(PoisonError::into_inner).insert(addr, tx);
    loop {
        tokio::select! {
            message = ws.next() => match message {
                Some(Ok(message)) if message.is_text() => {
                    for peer in peers.lock().unwrap_or_else(PoisonError::into_inner).values() {
                        let _ = peer.send(message.clone());
                    }
                }
                Some(Ok(_)) => {}
                _ => break,
            },
            Some(message) = rx.recv() => ws.send(message).await?,
        }
    }
    peers.lock().unwrap_or_else(PoisonError::into_inner).remove(&addr);
    Ok(())
}

async fn timer(stream: TcpStream) -> Result<()> {
    let mut ws = accept_async(stream).await?;
    let mut ticks = 0_u64;
    let mut interval = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            message = ws.next() => match message {
                Some(Ok(message)) if message.is_text() => ws.send(ticks.to_string().into()).await?,
                Some(Ok(_)) => {}
                _ => return Ok(()),
            },
            _ = interval.tick() => ticks += 1,
        }
    }
}

async fn info(stream: TcpStream) -> Result<()> {
    let mut ws = accept_async(stream).await?;
    let (tx, mut rx) = mpsc::channel(MAILBOX);
    let mut count = 0_u64;
    loop {
        tokio::select! {
            message = ws.next() => match message {
                Some(Ok(Message::Text(text))) => burst(&text, &tx),
                Some(Ok(_)) => {}
                _ => return Ok(()),
            },
            Some(left) = rx.recv() => {
                count += 1;
                if left == 0 {
                    ws.send(count.to_string().into()).await?;
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    id: u64,
    method: &'a str,
    params: (i64, i64),
}

/// The answer of a server that is written by hand: the numbers, and nothing of the specification beyond them.
#[derive(Serialize)]
struct Response {
    jsonrpc: &'static str,
    result: i64,
    id: u64,
}

async fn rpc(stream: TcpStream) -> Result<()> {
    let mut ws = accept_async(stream).await?;
    while let Some(message) = ws.next().await {
        let Message::Text(text) = message? else { continue };
        let Ok(Request { id, method: "add", params: (a, b) }) = serde_json::from_str(&text) else { continue };
        let response = Response { jsonrpc: "2.0", result: a + b, id };
        ws.send(serde_json::to_string(&response).unwrap_or_default().into()).await?;
    }
    Ok(())
}

async fn orders(stream: TcpStream) -> Result<()> {
    let mut ws = accept_async(stream).await?;
    while let Some(message) = ws.next().await {
        let Message::Text(text) = message? else { continue };
        if let Ok(receipt) = answer(text.as_bytes()) {
            ws.send(receipt.into()).await?;
        }
    }
    Ok(())
}
