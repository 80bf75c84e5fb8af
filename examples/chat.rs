//! A chat with rooms, in one process: the addresses of everybody are in shared state. `GET /` serves
//! a page.
//!
//! Run it with `cargo run --example chat` and open <http://127.0.0.1:8080> in two windows. Another
//! address is its first argument.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::Html;
use axum::routing::get;
use ws_core::prelude::*;

/// Who is where.
#[derive(Clone, Default)]
struct Rooms(Arc<Mutex<HashMap<String, Vec<Addr<Guest>>>>>);

/// What everybody in a room gets to read.
#[derive(Clone)]
struct Line(Arc<str>);

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Addr<Guest>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, room: &str, guest: Addr<Guest>) {
        self.lock().entry(room.to_owned()).or_default().push(guest);
    }

    /// A room that nobody is in is forgotten.
    fn leave(&self, room: &str, guest: &Addr<Guest>) {
        let mut rooms = self.lock();
        let Some(guests) = rooms.get_mut(room) else { return };
        guests.retain(|other| other != guest);
        if guests.is_empty() {
            rooms.remove(room);
        }
    }

    /// Tells everybody. Whoever is too slow misses the line.
    fn tell(&self, room: &str, text: &str) {
        let line = Line(text.into());
        for guest in self.lock().get(room).into_iter().flatten() {
            let _ = guest.send(line.clone());
        }
    }
}

#[derive(serde::Deserialize)]
struct Who {
    name: String,
}

#[websocket(path = "/rooms/{room}", idle_timeout = 60s, max_message_size = 4KiB, unhandled = close)]
struct Guest {
    name: String,
    room: String,
    rooms: Rooms,
    /// Our own: `#[on_close]` has no context to ask.
    addr: Option<Addr<Self>>,
}

#[websocket]
impl Guest {
    #[on_upgrade]
    fn join(
        Path(room): Path<String>,
        Query(who): Query<Who>,
        State(rooms): State<Rooms>,
    ) -> Result<Self, StatusCode> {
        if who.name.trim().is_empty() {
            return Err(StatusCode::BAD_REQUEST);
        }
        Ok(Self { name: who.name, room, rooms, addr: None })
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.addr = Some(cx.addr());
        self.rooms.enter(&self.room, cx.addr());
        self.rooms.tell(&self.room, &format!("{} is here", self.name));
    }

    #[on_text]
    fn said(&mut self, text: &str) {
        self.rooms.tell(&self.room, &format!("{}: {text}", self.name));
    }

    #[on_info]
    fn heard(&mut self, Line(text): Line) -> Arc<str> {
        text
    }

    #[every(20s)]
    fn keep_alive(&mut self) -> Ping {
        Ping::default()
    }

    #[on_close]
    fn left(&mut self) {
        if let Some(addr) = &self.addr {
            self.rooms.leave(&self.room, addr);
        }
        self.rooms.tell(&self.room, &format!("{} has left", self.name));
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    println!("listening on http://{addr}, WebSocket at ws://{addr}/rooms/lobby?name=you");
    let page = axum::Router::new().route("/", get(async || Html(include_str!("chat.html"))));
    Router::new().mount::<Guest>().with_state(Rooms::default()).fallback(page).serve(addr).await
}
