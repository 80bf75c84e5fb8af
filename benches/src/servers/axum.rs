//! axum's `extract::ws`, after its documentation; a room is a `broadcast` channel, as in its chat example.
//! `axum::serve` has HTTP/2 with the feature `http2`.

use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::routing::{MethodRouter, any};
use axum_server::tls_rustls::RustlsConfig;
use tokio::sync::{broadcast, mpsc};

use super::order::answer;
use super::tls::Certificate;
use super::{MAILBOX, Mode, TICK, burst, listen};

pub(super) async fn serve(mode: Mode, addr: &str) -> std::io::Result<()> {
    let room = broadcast::Sender::new(MAILBOX);
    let route: MethodRouter = match mode {
        Mode::Fanout => any(async move |ws: WebSocketUpgrade| ws.on_upgrade(move |ws| fanout(ws, room))),
        Mode::Timer => any(async |ws: WebSocketUpgrade| ws.on_upgrade(timer)),
        Mode::Info => any(async |ws: WebSocketUpgrade| ws.on_upgrade(info)),
        Mode::Json => any(async |ws: WebSocketUpgrade| ws.on_upgrade(orders)),
        _ => any(async |ws: WebSocketUpgrade| ws.on_upgrade(echo)),
    };
    let listener = listen(addr).await?;
    axum::serve(listener, Router::new().route("/", route)).await
}

/// Serves inside TLS with axum-server, after its example `rustls_server`.
pub(super) async fn serve_tls(addr: &str) -> std::io::Result<()> {
    let Certificate { certificate, key } = Certificate::generate()?;
    let config = RustlsConfig::from_pem(certificate.into(), key.into()).await?;
    let router = Router::new().route("/", any(async |ws: WebSocketUpgrade| ws.on_upgrade(echo)));
    let listener = listen(addr).await?.into_std()?;
    axum_server::from_tcp_rustls(listener, config)?.serve(router.into_make_service()).await
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn fanout(mut socket: WebSocket, room: broadcast::Sender<Utf8Bytes>) {
    let mut lines = room.subscribe();
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => _ = room.send(text),
                Some(Ok(_)) => {}
                _ => return,
            },
            Ok(line) = lines.recv() => if socket.send(Message::Text(line)).await.is_err() {
                return;
            },
        }
    }
}

async fn timer(mut socket: WebSocket) {
    let mut ticks = 0_u64;
    let mut interval = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(_))) => {
                    if socket.send(ticks.to_string().into()).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                _ => return,
            },
            _ = interval.tick() => ticks += 1,
        }
    }
}

async fn info(mut socket: WebSocket) {
    let (tx, mut rx) = mpsc::channel(MAILBOX);
    let mut count = 0_u64;
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => burst(&text, &tx),
                Some(Ok(_)) => {}
                _ => return,
            },
            Some(left) = rx.recv() => {
                count += 1;
                if left == 0 && socket.send(count.to_string().into()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn orders(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let Ok(receipt) = answer(text.as_bytes()) else { continue };
        if socket.send(receipt.into()).await.is_err() {
            return;
        }
    }
}
