//! This project with sync methods, after its README and `examples/chat.rs`.

use ws_core::prelude::*;
use ws_core::{BoxError, Codec};

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

#[websocket(session)]
#[derive(Default)]
struct Resumable;

#[websocket]
impl Resumable {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
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

#[websocket(compress)]
#[derive(Default)]
struct Takeover;

#[websocket]
impl Takeover {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

/// Codec that leaves lines unchanged.
struct Plain;

impl Codec<String> for Plain {
    const IS_TEXT: bool = true;

    fn encode(&self, line: &String, out: &mut Vec<u8>) -> Result<(), BoxError> {
        out.extend_from_slice(line.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, BoxError> {
        Ok(std::str::from_utf8(bytes)?.to_owned())
    }
}

fn room() -> Topic<String> {
    Hub::local().topic_with("room", Plain)
}

#[websocket]
struct Guest(Topic<String>);

#[websocket]
impl Guest {
    #[on_upgrade]
    fn join(State(room): State<Topic<String>>) -> Self {
        Self(room)
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.forward(&self.0);
    }

    #[on_text]
    fn said(&mut self, text: String) -> Result<(), PublishError> {
        self.0.publish(text)?;
        Ok(())
    }
}

/// A guest whose handler takes every line.
#[websocket]
struct Listener(Topic<String>);

#[websocket]
impl Listener {
    #[on_upgrade]
    fn join(State(room): State<Topic<String>>) -> Self {
        Self(room)
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe(&self.0);
    }

    #[on_text]
    fn said(&mut self, text: String) -> Result<(), PublishError> {
        self.0.publish(text)?;
        Ok(())
    }

    #[on_info]
    fn published(&mut self, line: Published<String>, cx: &mut Context<Self>) {
        cx.send(&**line);
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

/// Serves with this number of worker threads beside the runtime's, or with the default.
pub(super) async fn serve(mode: Mode, addr: &str, workers: Option<usize>) -> std::io::Result<()> {
    run(with_workers(router(mode), workers), addr).await
}

/// Returns the router of a mode.
pub(super) fn router(mode: Mode) -> Router {
    match mode {
        Mode::Session => Router::new().mount_at::<Resumable>("/"),
        Mode::Deflate => Router::new().mount_at::<Compressed>("/"),
        Mode::Takeover => Router::new().mount_at::<Takeover>("/"),
        Mode::Fanout => Router::new().mount_at::<Guest>("/").with_state(room()),
        Mode::Timer => Router::new().mount_at::<Clock>("/"),
        Mode::Info => Router::new().mount_at::<Counter>("/"),
        _ => Router::new().mount_at::<Echo>("/"),
    }
}

/// Sets the number of worker threads beside the runtime's, or leaves the default.
pub(super) fn with_workers(router: Router, workers: Option<usize>) -> Router {
    match workers {
        Some(workers) => router.workers(workers),
        None => router,
    }
}

/// Serves a room whose lines go through `#[on_info]`.
pub(super) async fn serve_on_info(addr: &str) -> std::io::Result<()> {
    run(Router::new().mount_at::<Listener>("/").with_state(room()), addr).await
}

pub(super) async fn run(router: Router, addr: &str) -> std::io::Result<()> {
    router.serve(addr).await.map_err(std::io::Error::other)
}
