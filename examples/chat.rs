//! A chat: rooms with a history and a list of members. `GET /` serves a page.
//!
//! Run it with `cargo run --example chat` and open <http://127.0.0.1:8080> in two windows. The first
//! argument is another address to listen on. With the feature `nats` and a NATS server, any number of
//! nodes form one chat:
//!
//! ```sh
//! nats-server -js
//! cargo run -p examples --features nats --example chat -- 127.0.0.1:8081 \
//!     --nats nats://127.0.0.1 --peers http://127.0.0.1:8081,http://127.0.0.1:8082
//! ```
//!
//! With the feature `inspect`, <http://127.0.0.1:8080/_ws> shows the rooms and who is connected.
//!
//! Start a second node with 8082 in place of 8081. A page whose connection is lost resumes its session. A page
//! whose node fails reconnects to another node. Both miss no line.

#[path = "page/files.rs"]
mod files;

use files::Files;
use serde::{Deserialize, Serialize};
use ws_core::prelude::*;
use ws_core::{BoxError, Recovery};

/// The number of lines in a room's history, for pages that reconnect.
const HISTORY: usize = 256;

/// The number of those lines that a newcomer gets.
const RECENT: usize = 50;

/// The maximum length of a name in characters; the page has the same limit.
const MAX_NAME: usize = 32;

/// A line of the chat, which all members of the room get, on all nodes.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
struct Line {
    by: String,
    text: String,
}

/// A message from the server to the page.
#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
#[serde(tag = "is", rename_all = "lowercase")]
enum Event {
    /// The first message. `recovered`: all lines since the page's position follow.
    Hello {
        recovered: bool,
        at: Option<Position>,
    },
    /// A line and its position, from which the page can resume.
    Line {
        at: Option<Position>,
        line: Arc<Line>,
    },
    Joined {
        id: String,
        name: Arc<str>,
    },
    Left {
        id: String,
    },
    /// This line was not published.
    Unpublished {
        text: String,
        why: String,
    },
    /// Lines were dropped for this page, which reconnects to fetch them.
    Lagged,
}

/// The query of a page's request.
#[derive(Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
struct Login {
    name: String,
    /// The position of the last line that the page shows.
    since: Option<Position>,
}

// A page from one node connects to other nodes, at any address, so every origin is allowed. This is safe
// here: without cookies and logins, a foreign page can do no more than its author can.
#[websocket(
    path = "/rooms/{room}",
    origins = any,
    overflow = drop_oldest,
    max_message_size = 2KiB,
    max_message_rate = 100,
    ping_interval = 20s,
    session,
)]
struct Guest {
    name: String,
    room: Topic<Line>,
    since: Option<Position>,
}

// With the feature `contract`, what the handler takes and sends is kept in `contract/chat.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(feature = "contract", websocket(contract))]
impl Guest {
    #[on_upgrade]
    fn join(
        Path(room): Path<String>,
        Query(Login { name, since }): Query<Login>,
        State(hub): State<Hub>,
    ) -> Result<Self, (StatusCode, &'static str)> {
        let is_name = |name: &str| {
            !name.trim().is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control)
        };
        if !is_name(&name) || !is_name(&room) {
            return Err((StatusCode::BAD_REQUEST, "names have 1 to 32 characters\n"));
        }
        Ok(Self { name, room: hub.topic(format!("room:{room}")).history(HISTORY), since })
    }

    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) -> Json<Event> {
        let since = self.since.map_or(Since::Last(RECENT), Since::Position);
        let Recovery { recovered, position, .. } = cx.subscribe_from(&self.room, since).await;
        // A guest whom other nodes cannot see at the moment, or who does not see their guests yet, can still chat.
        let _ = cx.watch(&self.room).await;
        let _ = cx.join(&self.room, &self.name).await;
        Json(Event::Hello { recovered, at: position })
    }

    #[on_text]
    fn text(&mut self, text: &str) -> Option<Json<Event>> {
        if text.trim().is_empty() {
            return None;
        }
        let line = Line { by: self.name.clone(), text: text.to_owned() };
        let error = self.room.publish(line).err()?;
        Some(Json(Event::Unpublished { text: text.to_owned(), why: error.to_string() }))
    }

    #[on_info]
    fn line(&mut self, line: Published<Line>) -> Json<Event> {
        Json(Event::Line { at: line.position(), line: Arc::clone(line.value()) })
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
    let page = Files::new([
        ("/", "text/html; charset=utf-8", include_str!("chat.html").into()),
        ("/page.css", "text/css", include_str!("page/page.css").into()),
        ("/peers", "text/plain; charset=utf-8", peers),
    ]);
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let router = Router::new().mount::<Guest>().client_script("/ws-core.js");
    // A page about this server, for browsers on its machine.
    #[cfg(feature = "inspect")]
    let router = {
        use ws_core::inspect::{Inspector, Shown};
        router.inspect("/_ws", Inspector::local().hub("chat", &hub).messages(|_| Shown::Whole))
    };
    let router = router.with_state(hub.clone()).fallback(page);
    router.serve_with_shutdown(addr, stop).await?;
    // Informs the other nodes that the members of this node have left, before their presence expires.
    Ok(hub.close().await?)
}

#[cfg(test)]
#[path = "chat/tests.rs"]
mod tests;
