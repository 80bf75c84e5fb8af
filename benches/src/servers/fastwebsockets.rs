//! fastwebsockets on hyper, after its README and its example `echo_server`. Its read is not cancel-safe in a
//! `select!`, so modes with a second source of events use a reading task, as in `echo_server_split`.

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError};
use fastwebsockets::{WebSocketRead, WebSocketWrite};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::sync::{broadcast, mpsc};

use super::order::answer;
use super::{MAILBOX, Mode, TICK, burst, listen};

type Result<T> = std::result::Result<T, WebSocketError>;
pub(super) type Room = broadcast::Sender<Bytes>;
type Writer = WebSocketWrite<WriteHalf<TokioIo<Upgraded>>>;

pub(super) async fn serve(mode: Mode, addr: &str) -> std::io::Result<()> {
    let listener = listen(addr).await?;
    let room = Room::new(MAILBOX);
    loop {
        let (stream, _) = listener.accept().await?;
        let room = room.clone();
        tokio::spawn(serve_connection(stream, mode, room));
    }
}

/// Serves a connection, also inside TLS.
pub(super) async fn serve_connection<S>(stream: S, mode: Mode, room: Room) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| server_upgrade(request, mode, room.clone()));
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await
}

async fn server_upgrade(
    mut request: Request<Incoming>,
    mode: Mode,
    room: Room,
) -> Result<Response<Empty<Bytes>>> {
    let (response, ws) = upgrade(&mut request)?;
    match mode {
        Mode::Fanout => tokio::spawn(fanout(ws, room)),
        Mode::Timer => tokio::spawn(timer(ws)),
        Mode::Info => tokio::spawn(info(ws)),
        Mode::Json => tokio::spawn(orders(ws)),
        _ => tokio::spawn(echo(ws)),
    };
    Ok(response)
}

async fn echo(ws: UpgradeFut) -> Result<()> {
    let mut ws = FragmentCollector::new(ws.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn orders(ws: UpgradeFut) -> Result<()> {
    let mut ws = FragmentCollector::new(ws.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text => {
                if let Ok(receipt) = answer(&frame.payload) {
                    ws.write_frame(Frame::text(Payload::Owned(receipt.into()))).await?;
                }
            }
            _ => {}
        }
    }
}

/// Write half, and the messages from the read half.
async fn split(ws: UpgradeFut) -> Result<(Writer, mpsc::Receiver<Bytes>)> {
    let (read, write) = ws.await?.split(tokio::io::split);
    let (tx, rx) = mpsc::channel(16);
    tokio::spawn(read_texts(read, tx));
    Ok((write, rx))
}

async fn read_texts(
    read: WebSocketRead<ReadHalf<TokioIo<Upgraded>>>,
    texts: mpsc::Sender<Bytes>,
) -> Result<()> {
    let mut read = FragmentCollectorRead::new(read);
    loop {
        // The workloads contain no pings and closes that would need an answer.
        let frame = read.read_frame::<_, WebSocketError>(&mut async |_| Ok(())).await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text if texts.send(Bytes::from(frame.payload.to_vec())).await.is_err() => return Ok(()),
            _ => {}
        }
    }
}

async fn send(ws: &mut Writer, text: &[u8]) -> Result<()> {
    ws.write_frame(Frame::text(Payload::Borrowed(text))).await
}

async fn fanout(ws: UpgradeFut, room: Room) -> Result<()> {
    let (mut ws, mut texts) = split(ws).await?;
    let mut lines = room.subscribe();
    loop {
        tokio::select! {
            text = texts.recv() => match text {
                Some(text) => _ = room.send(text),
                None => return Ok(()),
            },
            Ok(line) = lines.recv() => send(&mut ws, &line).await?,
        }
    }
}

async fn timer(ws: UpgradeFut) -> Result<()> {
    let (mut ws, mut texts) = split(ws).await?;
    let mut ticks = 0_u64;
    let mut interval = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            text = texts.recv() => match text {
                Some(_) => send(&mut ws, ticks.to_string().as_bytes()).await?,
                None => return Ok(()),
            },
            _ = interval.tick() => ticks += 1,
        }
    }
}

async fn info(ws: UpgradeFut) -> Result<()> {
    let (mut ws, mut texts) = split(ws).await?;
    let (tx, mut rx) = mpsc::channel(MAILBOX);
    let mut count = 0_u64;
    loop {
        tokio::select! {
            text = texts.recv() => match text {
                Some(text) => burst(std::str::from_utf8(&text).unwrap_or(""), &tx),
                None => return Ok(()),
            },
            Some(left) = rx.recv() => {
                count += 1;
                if left == 0 {
                    send(&mut ws, count.to_string().as_bytes()).await?;
                }
            }
        }
    }
}
