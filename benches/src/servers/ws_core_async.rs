//! This project with `async` methods, which take owned payloads, and with the same methods without `async`.

use ws_core::prelude::*;

use super::Mode;
use super::ws_core::run;

#[websocket]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    async fn text(&mut self, text: String) -> String {
        text
    }

    #[on_binary]
    async fn binary(&mut self, bytes: Bytes) -> Bytes {
        bytes
    }
}

/// The same methods, not async: the difference is the cost of `async`.
#[websocket]
#[derive(Default)]
struct Owned;

#[websocket]
impl Owned {
    #[on_text]
    fn text(&mut self, text: String) -> String {
        text
    }

    #[on_binary]
    fn binary(&mut self, bytes: Bytes) -> Bytes {
        bytes
    }
}

#[websocket(compress(server_no_context_takeover, client_no_context_takeover))]
#[derive(Default)]
struct Compressed;

#[websocket]
impl Compressed {
    #[on_text]
    async fn text(&mut self, text: String) -> String {
        text
    }
}

#[websocket(compress)]
#[derive(Default)]
struct Takeover;

#[websocket]
impl Takeover {
    #[on_text]
    async fn text(&mut self, text: String) -> String {
        text
    }
}

struct Note(u32);

#[websocket]
#[derive(Default)]
struct Counter(u64);

#[websocket]
impl Counter {
    #[on_text]
    async fn burst(&mut self, count: String, cx: &mut Context<Self>) {
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
    async fn note(&mut self, Note(left): Note) -> Option<String> {
        self.0 += 1;
        (left == 0).then(|| self.0.to_string())
    }
}

pub(super) async fn serve(mode: Mode, addr: &str) -> std::io::Result<()> {
    let router = match mode {
        Mode::Deflate => Router::new().mount_at::<Compressed>("/"),
        Mode::Takeover => Router::new().mount_at::<Takeover>("/"),
        Mode::Info => Router::new().mount_at::<Counter>("/"),
        _ => Router::new().mount_at::<Echo>("/"),
    };
    run(router, addr).await
}

/// Serves the methods that are not async on the runtime.
pub(super) async fn serve_owned(addr: &str) -> std::io::Result<()> {
    run(Router::new().mount_at::<Owned>("/").workers(0), addr).await
}
