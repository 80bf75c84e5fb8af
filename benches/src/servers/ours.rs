//! This project, as its README and `examples/chat.rs` have it: sync methods.

use std::sync::{Arc, Mutex, PoisonError};

use ws_core::prelude::*;

use super::Mode;

#[websocket]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }

    #[on_binary]
    fn binary<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

#[websocket(compress(server_no_context_takeover, client_no_context_takeover))]
#[derive(Default)]
struct Compressed;

#[websocket]
impl Compressed {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

#[derive(Clone, Default)]
struct Room(Arc<Mutex<Vec<Addr<Guest>>>>);

#[derive(Clone)]
struct Line(Arc<str>);

impl Room {
    fn with<R>(&self, run: impl FnOnce(&mut Vec<Addr<Guest>>) -> R) -> R {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[websocket]
struct Guest {
    room: Room,
    addr: Option<Addr<Self>>,
}

#[websocket]
impl Guest {
    #[on_upgrade]
    fn join(State(room): State<Room>) -> Self {
        Self { room, addr: None }
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.addr = Some(cx.addr());
        self.room.with(|guests| guests.push(cx.addr()));
    }

    #[on_text]
    fn said(&mut self, text: &str) {
        let line = Line(text.into());
        self.room.with(|guests| {
            for guest in guests {
                let _ = guest.send(line.clone());
            }
        });
    }

    #[on_info]
    fn heard(&mut self, Line(text): Line) -> Arc<str> {
        text
    }

    #[on_close]
    fn left(&mut self) {
        let addr = self.addr.take();
        self.room.with(|guests| guests.retain(|guest| Some(guest) != addr.as_ref()));
    }
}

#[websocket]
#[derive(Default)]
struct Clock(u64);

#[websocket]
impl Clock {
    #[every(super::TICK)]
    fn tick(&mut self) {
        self.0 += 1;
    }

    #[on_text]
    fn count(&mut self, _: &str) -> String {
        self.0.to_string()
    }
}

struct Note(u32);

#[websocket]
#[derive(Default)]
struct Counter(u64);

#[websocket]
impl Counter {
    #[on_text]
    fn burst(&mut self, count: &str, cx: &mut Context<Self>) {
        let (count, addr) = (count.parse().unwrap_or(0), cx.addr());
        tokio::spawn(async move {
            for left in (0..count).rev() {
                if addr.send(Note(left)).is_err() {
                    return;
                }
            }
        });
    }

    #[on_info]
    fn note(&mut self, Note(left): Note) -> Option<String> {
        self.0 += 1;
        (left == 0).then(|| self.0.to_string())
    }
}

/// With so many threads for connections alone, beside the runtime's.
pub(super) async fn serve(mode: Mode, addr: &str, workers: usize) -> std::io::Result<()> {
    let router = match mode {
        Mode::Echo => Router::new().mount_at::<Echo>("/"),
        Mode::Deflate => Router::new().mount_at::<Compressed>("/"),
        Mode::Fanout => Router::new().mount_at::<Guest>("/").with_state(Room::default()),
        Mode::Timer => Router::new().mount_at::<Clock>("/"),
        Mode::Info => Router::new().mount_at::<Counter>("/"),
    };
    run(router.workers(workers), addr).await
}

pub(super) async fn run(router: Router, addr: &str) -> std::io::Result<()> {
    router.serve(addr).await.map_err(std::io::Error::other)
}
