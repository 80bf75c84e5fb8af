//! tokio-websockets, after its README. The crate has no rooms, so a room is a `broadcast` channel.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc};
use tokio_websockets::{Error, Message, Payload, ServerBuilder, WebSocketStream};

use super::order::answer;
use super::{MAILBOX, Mode, TICK, burst, listen};

pub(super) async fn serve(mode: Mode, addr: &str) -> std::io::Result<()> {
    let listener = listen(addr).await?;
    let room = broadcast::Sender::new(MAILBOX);
    loop {
        let (stream, _) = listener.accept().await?;
        match mode {
            Mode::Fanout => tokio::spawn(fanout(stream, room.clone())),
            Mode::Timer => tokio::spawn(timer(stream)),
            Mode::Info => tokio::spawn(info(stream)),
            Mode::Json => tokio::spawn(orders(stream)),
            _ => tokio::spawn(echo(stream)),
        };
    }
}

async fn accept<S>(stream: S) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Ok(ServerBuilder::new().accept(stream).await?.1)
}

/// Serves a connection, also inside TLS.
pub(super) async fn echo<S>(stream: S) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ws = accept(stream).await?;
    while let Some(Ok(message)) = ws.next().await {
        if message.is_text() || message.is_binary() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

async fn fanout(stream: TcpStream, room: broadcast::Sender<Payload>) -> Result<(), Error> {
    let mut ws = accept(stream).await?;
    let mut lines = room.subscribe();
    loop {
        tokio::select! {
            message = ws.next() => match message {
                Some(Ok(message)) if message.is_text() => _ = room.send(message.into_payload()),
                Some(Ok(_)) => {}
                _ => return Ok(()),
            },
            Ok(line) = lines.recv() => ws.send(Message::text(line)).await?,
        }
    }
}

async fn timer(stream: TcpStream) -> Result<(), Error> {
    let mut ws = accept(stream).await?;
    let mut ticks = 0_u64;
    let mut interval = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            message = ws.next() => match message {
                Some(Ok(message)) if message.is_text() => ws.send(Message::text(ticks.to_string())).await?,
                Some(Ok(_)) => {}
                _ => return Ok(()),
            },
            _ = interval.tick() => ticks += 1,
        }
    }
}

async fn info(stream: TcpStream) -> Result<(), Error> {
    let mut ws = accept(stream).await?;
    let (tx, mut rx) = mpsc::channel(MAILBOX);
    let mut count = 0_u64;
    loop {
        tokio::select! {
            message = ws.next() => match message {
                Some(Ok(message)) => if let Some(text) = message.as_text() {
                    burst(text, &tx);
                },
                _ => return Ok(()),
            },
            Some(left) = rx.recv() => {
                count += 1;
                if left == 0 {
                    ws.send(Message::text(count.to_string())).await?;
                }
            }
        }
    }
}

async fn orders(stream: TcpStream) -> Result<(), Error> {
    let mut ws = accept(stream).await?;
    while let Some(message) = ws.next().await {
        let message = message?;
        let Some(text) = message.as_text() else { continue };
        if let Ok(receipt) = answer(text.as_bytes()) {
            ws.send(Message::text(receipt)).await?;
        }
    }
    Ok(())
}
