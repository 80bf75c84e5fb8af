//! A chat: rooms that remember what was said, and know who is there. `GET /` serves a page.
//!
//! Run it with `cargo run --example chat` and open <http://127.0.0.1:8080> in two windows. Another
//! address is its first argument. As many nodes as you like are one chat with a NATS server between
//! them, and the feature `nats`:
//!
//! ```sh
//! nats-server -js
//! cargo run -p examples --features nats --example chat -- 127.0.0.1:8081 \
//!     --nats nats://127.0.0.1 --peers http://127.0.0.1:8081,http://127.0.0.1:8082
//! ```
//!
//! and the same with 8082. A page whose node is gone comes back to another, and misses nothing.

use axum::response::Html;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use ws_core::prelude::*;
use ws_core::{BoxError, Recovery};

/// Lines that a room keeps for those who come back.
const KEPT: usize = 256;

/// Of those, a newcomer reads so many.
const RECENT: usize = 50;

/// In characters; the page has the same.
const MAX_NAME: usize = 32;

/// A line, as everybody in the room gets it, on all nodes.
#[derive(Serialize, Deserialize)]
struct Said {
    by: String,
    text: String,
}

/// What the page is told.
#[derive(Serialize)]
#[serde(tag = "is", rename_all = "lowercase")]
enum Event {
    /// First of all: whether everything since the position with which the page came follows.
    Hello {
        recovered: bool,
        at: Option<Position>,
    },
    /// The position is what to come back with.
    Said {
        at: Option<Position>,
        said: Arc<Said>,
    },
    Joined {
        id: String,
        name: Arc<str>,
    },
    Left {
        id: String,
    },
    /// Nobody has heard this line.
    Unsaid {
        text: String,
        why: String,
    },
    /// Lines are missing before the next one: come back for them.
    Lagged,
    /// Nothing has happened; a page cannot see pings.
    Alive,
}

/// How a page introduces itself.
#[derive(Deserialize)]
struct Who {
    name: String,
    /// The position of the last line that it has.
    since: Option<Position>,
}

// The page of one node talks to another, whose address may be any. Nothing is done in a visitor's
// name here: there are no cookies and no logins, so a foreign page can do no more than its author.
#[websocket(
    path = "/rooms/{room}",
    origins = any,
    overflow = drop_oldest,
    max_message_size = 2KiB,
    max_message_rate = 100,
    ping_interval = 20s,
)]
struct Guest {
    name: String,
    room: Topic<Said>,
    since: Option<Position>,
}

#[websocket]
impl Guest {
    #[on_upgrade]
    fn join(
        Path(room): Path<String>,
        Query(Who { name, since }): Query<Who>,
        State(hub): State<Hub>,
    ) -> Result<Self, (StatusCode, &'static str)> {
        let is_name = |name: &str| {
            !name.trim().is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control)
        };
        if !is_name(&name) || !is_name(&room) {
            return Err((StatusCode::BAD_REQUEST, "names have 1 to 32 characters\n"));
        }
        Ok(Self { name, room: hub.topic(format!("room:{room}")).history(KEPT), since })
    }

    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) -> Json<Event> {
        let since = self.since.map_or(Since::Last(RECENT), Since::Position);
        let Recovery { recovered, position, .. } = cx.subscribe_from(&self.room, since).await;
        cx.watch(&self.room).await;
        // Whoever cannot be seen from elsewhere at the moment can talk all the same.
        let _ = cx.join(&self.room, &self.name).await;
        Json(Event::Hello { recovered, at: position })
    }

    #[on_text]
    fn said(&mut self, text: &str) -> Option<Json<Event>> {
        if text.trim().is_empty() {
            return None;
        }
        let said = Said { by: self.name.clone(), text: text.to_owned() };
        let error = self.room.publish(said).err()?;
        Some(Json(Event::Unsaid { text: text.to_owned(), why: error.to_string() }))
    }

    #[on_info]
    fn heard(&mut self, line: Published<Said>) -> Json<Event> {
        Json(Event::Said { at: line.position(), said: Arc::clone(line.value()) })
    }

    #[on_info]
    fn presence(&mut self, presence: Presence) -> Json<Event> {
        Json(match presence {
            Presence::Joined(member) => Event::Joined { id: member.id.to_string(), name: member.name },
            Presence::Left(member) => Event::Left { id: member.id.to_string() },
        })
    }

    #[on_lagged]
    fn lagged(&mut self) -> Json<Event> {
        Json(Event::Lagged)
    }

    #[every(15s)]
    fn alive(&mut self) -> Json<Event> {
        Json(Event::Alive)
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (mut addr, mut nats, mut peers) = ("127.0.0.1:8080".to_owned(), None, String::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--nats" => nats = args.next(),
            "--peers" => peers = args.next().unwrap_or_default().replace(',', "\n"),
            _ => addr = arg,
        }
    }
    let hub = match nats {
        None => Hub::local(),
        #[cfg(feature = "nats")]
        Some(url) => Hub::nats(&url).await?,
        #[cfg(not(feature = "nats"))]
        Some(_) => return Err("build it with `--features nats`".into()),
    };
    println!("listening on http://{addr}, WebSocket at ws://{addr}/rooms/lobby?name=you");
    let page = axum::Router::new()
        .route("/", get(async || Html(include_str!("chat.html"))))
        .route("/peers", get(async || peers));
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let router = Router::new().mount::<Guest>().with_state(hub.clone()).fallback(page);
    router.serve_with_shutdown(addr, stop).await?;
    // The other nodes hear now that those of this one have left, not when they miss them.
    Ok(hub.close().await?)
}

#[cfg(test)]
#[path = "chat/tests.rs"]
mod tests;
