//! sockudo-ws, after its README, with its `PubSub` for rooms. Its examples split the stream for rooms, which
//! starts a second task per connection; a single stream in a `select!` costs less.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use sockudo_ws::deflate::{DeflateConfig, negotiate_server_deflate};
use sockudo_ws::error::{Error, Result};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::pubsub::PubSub;
use sockudo_ws::stream::CompressedWebSocketStream;
use sockudo_ws::{Config, Http2, Message, WebSocketServer, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{MAILBOX, Mode, TICK, burst, listen};

pub(super) async fn serve(mode: Mode, addr: &str) -> std::io::Result<()> {
    let listener = listen(addr).await?;
    let rooms = Arc::new(PubSub::new());
    loop {
        let (stream, _) = listener.accept().await?;
        match mode {
            Mode::Deflate => tokio::spawn(deflate(stream, false)),
            Mode::Takeover => tokio::spawn(deflate(stream, true)),
            Mode::Http2 => tokio::spawn(http2(stream)),
            Mode::Fanout => tokio::spawn(fanout(stream, Arc::clone(&rooms))),
            Mode::Timer => tokio::spawn(timer(stream)),
            Mode::Info => tokio::spawn(info(stream)),
            _ => tokio::spawn(echo(stream)),
        };
    }
}

/// Performs the handshake and returns the negotiated compression.
async fn handshake(stream: &mut TcpStream, policy: Option<&DeflateConfig>) -> Result<Option<DeflateConfig>> {
    let mut buf = bytes::BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut buf).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        if let Some((request, _)) = parse_request(&buf)? {
            let agreed =
                policy.and_then(|policy| negotiate_server_deflate(request.extensions.unwrap_or(""), policy));
            let extension = agreed.as_ref().map(|agreed| agreed.to_response_header());
            let key = generate_accept_key(request.key);
            stream.write_all(&build_response(&key, None, extension.as_deref())).await?;
            return Ok(agreed.map(|agreed| agreed.config));
        }
    }
}

async fn accept(mut stream: TcpStream) -> Result<WebSocketStream<TcpStream>> {
    handshake(&mut stream, None).await?;
    Ok(WebSocketStream::server(stream, Config::default()))
}

async fn echo(stream: TcpStream) -> Result<()> {
    let mut ws = accept(stream).await?;
    while let Some(message) = ws.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => ws.send(message).await?,
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}

/// Serves the streams of an HTTP/2 connection, after the example `http2_echo`.
async fn http2(stream: TcpStream) -> Result<()> {
    let server = WebSocketServer::<Http2>::new(Config::default());
    let echo = async |mut ws: WebSocketStream<_>, _| {
        while let Some(Ok(message)) = ws.next().await {
            if matches!(message, Message::Text(_) | Message::Binary(_)) && ws.send(message).await.is_err() {
                return;
            }
        }
    };
    server.serve(stream, echo).await
}

async fn deflate(mut stream: TcpStream, keeps_context: bool) -> Result<()> {
    let policy = DeflateConfig {
        server_no_context_takeover: !keeps_context,
        client_no_context_takeover: !keeps_context,
        ..DeflateConfig::default()
    };
    let agreed = handshake(&mut stream, Some(&policy)).await?.ok_or(Error::ConnectionClosed)?;
    let mut ws = CompressedWebSocketStream::server(stream, Config::default(), agreed);
    while let Some(message) = ws.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => ws.send(message).await?,
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}

async fn fanout(stream: TcpStream, rooms: Arc<PubSub>) -> Result<()> {
    let mut ws = accept(stream).await?;
    let (tx, mut rx) = mpsc::unbounded_channel();
    let id = rooms.create_subscriber(tx);
    rooms.subscribe(id, "room");
    loop {
        tokio::select! {
            message = ws.next() => match message {
                Some(Ok(Message::Text(text))) => _ = rooms.publish("room", Message::Text(text)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => break,
            },
            Some(line) = rx.recv() => if ws.send(line).await.is_err() {
                break;
            },
        }
    }
    rooms.remove_subscriber(id);
    Ok(())
}

async fn timer(stream: TcpStream) -> Result<()> {
    let mut ws = accept(stream).await?;
    let mut ticks = 0_u64;
    let mut interval = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            message = ws.next() => match message {
                Some(Ok(Message::Text(_))) => ws.send(Message::text(ticks.to_string())).await?,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return Ok(()),
            },
            _ = interval.tick() => ticks += 1,
        }
    }
}

async fn info(stream: TcpStream) -> Result<()> {
    let mut ws = accept(stream).await?;
    let (tx, mut rx) = mpsc::channel(MAILBOX);
    let mut count = 0_u64;
    loop {
        tokio::select! {
            message = ws.next() => match message {
                Some(Ok(Message::Text(text))) => burst(std::str::from_utf8(&text).unwrap_or(""), &tx),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
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
