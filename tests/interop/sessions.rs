//! Server for `sessions.py` and for the tests of `clients/js`: an echo with a session, and its page; and a handler that
//! checks the numbers of messages. The first argument is the address to listen on. `resume` of the echo is short, so that
//! a test can wait for its end.

use axum::response::Html;
use axum::routing::get;
use ws_core::prelude::*;

/// Echo of texts and bytes.
#[websocket(path = "/echo", session(resume = 5s), max_message_size = 1MiB)]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str, cx: &mut Context<Self>) -> Option<&'a str> {
        if text == "close" {
            cx.close((4002, "as you wish"));
            return None;
        }
        Some(text)
    }

    #[on_binary]
    fn binary<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

/// Handler that closes unless each message is the successor of the one before, and sends numbers itself.
#[websocket(path = "/numbers", session, max_message_size = 1MiB)]
#[derive(Default)]
struct Numbers {
    expected: Option<u64>,
    handled: u64,
    sent: u64,
}

#[websocket]
impl Numbers {
    #[on_text]
    fn text(&mut self, text: &str, cx: &mut Context<Self>) -> Option<String> {
        if text == "done" {
            return Some(format!("done {}", self.handled));
        }
        self.check(text.split(' ').next().unwrap_or_default(), cx);
        None
    }

    #[on_binary]
    fn binary(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        self.check(&String::from_utf8_lossy(bytes), cx);
    }

    #[every(100ms)]
    fn tick(&mut self, cx: &mut Context<Self>) {
        let number = self.sent;
        self.sent += 1;
        match number % 7 {
            0 => cx.send(number.to_string().into_bytes()),
            1 => cx.send(format!("{number} \r")),
            _ => cx.send(format!("{number} {}", "x".repeat((number * 37 % 800) as usize))),
        }
    }
}

impl Numbers {
    fn check(&mut self, number: &str, cx: &mut Context<Self>) {
        let number = number.parse().unwrap_or(u64::MAX);
        if self.expected.is_some_and(|expected| expected != number) {
            cx.close((4003, format!("{number} instead of {:?}", self.expected)));
        }
        self.expected = Some(number.wrapping_add(1));
        self.handled += 1;
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let pages = axum::Router::new().route("/", get(async || Html(include_str!("sessions.html"))));
    Router::new()
        .mount::<Echo>()
        .mount::<Numbers>()
        .client_script("/ws-core.js")
        .fallback(pages)
        .serve(addr)
        .await
}
