//! What the measuring scripts beside this file talk to: an echo of text on one thread.

use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

/// The same with a mailbox and an async method.
#[websocket(path = "/async")]
#[derive(Default)]
struct AsyncEcho;

struct Note;

#[websocket]
impl AsyncEcho {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.addr();
    }

    #[on_text]
    async fn text(&mut self, text: String) -> String {
        text
    }

    #[on_info]
    fn note(&mut self, _: Note) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    Router::new().mount::<Echo>().mount::<AsyncEcho>().serve(addr).await
}
