//! yawc on hyper, after its examples `echo_server` and `http2`. The crate has no rooms, so a room is a `broadcast` channel.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{broadcast, mpsc};
use yawc::{CompressionLevel, Frame, OpCode, Options, Result, UpgradeFut, WebSocket};

use super::{MAILBOX, Mode, TICK, burst, listen};

type Room = broadcast::Sender<Bytes>;

pub(super) async fn serve(mode: Mode, addr: &str) -> std::io::Result<()> {
    let listener = listen(addr).await?;
    let room = Room::new(MAILBOX);
    loop {
        let (stream, _) = listener.accept().await?;
        let room = room.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| upgrade(request, mode, room.clone()));
            let stream = TokioIo::new(stream);
            match mode {
                Mode::Http2 => {
                    let mut builder = http2::Builder::new(TokioExecutor::new());
                    builder.enable_connect_protocol().serve_connection(stream, service).await
                }
                _ => http1::Builder::new().serve_connection(stream, service).with_upgrades().await,
            }
        });
    }
}

async fn upgrade(mut request: Request<Incoming>, mode: Mode, room: Room) -> Result<Response<Empty<Bytes>>> {
    let options = match mode {
        Mode::Deflate => Options::default()
            .with_compression_level(CompressionLevel::default())
            .server_no_context_takeover()
            .client_no_context_takeover(),
        Mode::Takeover => Options::default().with_compression_level(CompressionLevel::default()),
        // The default limit is below the largest message here.
        _ => Options::default().with_limits(2 << 20, 4 << 20),
    };
    let (response, ws) = WebSocket::upgrade_with_options(&mut request, options)?;
    match mode {
        Mode::Fanout => tokio::spawn(fanout(ws, room)),
        Mode::Timer => tokio::spawn(timer(ws)),
        Mode::Info => tokio::spawn(info(ws)),
        _ => tokio::spawn(echo(ws)),
    };
    Ok(response)
}

async fn echo(ws: UpgradeFut) -> Result<()> {
    let mut ws = ws.await?;
    while let Some(frame) = ws.next().await {
        if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
            ws.send(frame).await?;
        }
    }
    Ok(())
}

async fn fanout(ws: UpgradeFut, room: Room) -> Result<()> {
    let mut ws = ws.await?;
    let mut lines = room.subscribe();
    loop {
        tokio::select! {
            frame = ws.next() => match frame {
                Some(frame) if frame.opcode() == OpCode::Text => _ = room.send(frame.into_payload()),
                Some(_) => {}
                None => return Ok(()),
            },
            Ok(line) = lines.recv() => ws.send(Frame::text(line)).await?,
        }
    }
}

async fn timer(ws: UpgradeFut) -> Result<()> {
    let mut ws = ws.await?;
    let mut ticks = 0_u64;
    let mut interval = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            frame = ws.next() => match frame {
                Some(frame) if frame.opcode() == OpCode::Text => ws.send(Frame::text(ticks.to_string())).await?,
                Some(_) => {}
                None => return Ok(()),
            },
            _ = interval.tick() => ticks += 1,
        }
    }
}

async fn info(ws: UpgradeFut) -> Result<()> {
    let mut ws = ws.await?;
    let (tx, mut rx) = mpsc::channel(MAILBOX);
    let mut count = 0_u64;
    loop {
        tokio::select! {
            frame = ws.next() => match frame {
                Some(frame) if frame.opcode() == OpCode::Text => burst(frame.as_str(), &tx),
                Some(_) => {}
                None => return Ok(()),
            },
            Some(left) = rx.recv() => {
                count += 1;
                if left == 0 {
                    ws.send(Frame::text(count.to_string())).await?;
                }
            }
        }
    }
}
