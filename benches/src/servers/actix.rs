//! actix-ws in actix-web, after its README, with one worker. Its chat example keeps an unbounded sender per
//! connection; so does the room here.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, Session};
use tokio::sync::mpsc;

use super::{MAILBOX, Mode, TICK, burst, listen};

type Line = String;

#[derive(Clone, Default)]
struct Room(Arc<Mutex<Vec<mpsc::UnboundedSender<Line>>>>);

impl Room {
    fn join(&self, guest: mpsc::UnboundedSender<Line>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(guest);
    }

    fn broadcast(&self, line: &str) {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guests.retain(|guest| guest.send(line.to_owned()).is_ok());
    }
}

pub(super) fn serve(mode: Mode, addr: &str) -> std::io::Result<()> {
    rt::System::new().block_on(async move {
        let room = Room::default();
        let app = move || {
            let room = room.clone();
            let open = move |request, body| upgrade(request, body, mode, room.clone());
            App::new().route("/", web::get().to(open))
        };
        let listener = listen(addr).await?.into_std()?;
        HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run().await
    })
}

async fn upgrade(
    request: HttpRequest,
    body: web::Payload,
    mode: Mode,
    room: Room,
) -> actix_web::Result<HttpResponse> {
    let (response, session, stream) = actix_ws::handle(&request, body)?;
    // By default, actix-ws limits frames and messages to 64 KiB.
    let stream = stream.max_frame_size(2 << 20).aggregate_continuations().max_continuation_size(2 << 20);
    match mode {
        Mode::Fanout => rt::spawn(fanout(session, stream, room)),
        Mode::Timer => rt::spawn(timer(session, stream)),
        Mode::Info => rt::spawn(info(session, stream)),
        _ => rt::spawn(echo(session, stream)),
    };
    Ok(response)
}

async fn echo(mut session: Session, mut stream: AggregatedMessageStream) {
    while let Some(Ok(message)) = stream.recv().await {
        let sent = match message {
            AggregatedMessage::Text(text) => session.text(text).await,
            AggregatedMessage::Binary(bytes) => session.binary(bytes).await,
            AggregatedMessage::Ping(bytes) => session.pong(&bytes).await,
            AggregatedMessage::Pong(_) => Ok(()),
            AggregatedMessage::Close(_) => break,
        };
        if sent.is_err() {
            return;
        }
    }
    let _ = session.close(None).await;
}

async fn fanout(mut session: Session, mut stream: AggregatedMessageStream, room: Room) {
    let (tx, mut rx) = mpsc::unbounded_channel();
    room.join(tx);
    loop {
        tokio::select! {
            message = stream.recv() => match message {
                Some(Ok(AggregatedMessage::Text(text))) => room.broadcast(&text),
                Some(Ok(AggregatedMessage::Ping(_) | AggregatedMessage::Pong(_))) => {}
                _ => break,
            },
            Some(line) = rx.recv() => if session.text(line).await.is_err() {
                return;
            },
        }
    }
    let _ = session.close(None).await;
}

async fn timer(mut session: Session, mut stream: AggregatedMessageStream) {
    let mut ticks = 0_u64;
    let mut interval = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            message = stream.recv() => match message {
                Some(Ok(AggregatedMessage::Text(_))) => _ = session.text(ticks.to_string()).await,
                Some(Ok(AggregatedMessage::Ping(_) | AggregatedMessage::Pong(_))) => {}
                _ => break,
            },
            _ = interval.tick() => ticks += 1,
        }
    }
    let _ = session.close(None).await;
}

async fn info(mut session: Session, mut stream: AggregatedMessageStream) {
    let (tx, mut rx) = mpsc::channel(MAILBOX);
    let mut count = 0_u64;
    loop {
        tokio::select! {
            message = stream.recv() => match message {
                Some(Ok(AggregatedMessage::Text(text))) => burst(&text, &tx),
                Some(Ok(AggregatedMessage::Ping(_) | AggregatedMessage::Pong(_))) => {}
                _ => break,
            },
            Some(left) = rx.recv() => {
                count += 1;
                if left == 0 {
                    let _ = session.text(count.to_string()).await;
                }
            }
        }
    }
    let _ = session.close(None).await;
}
