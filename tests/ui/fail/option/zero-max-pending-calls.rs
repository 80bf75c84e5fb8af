//! A connection without pending calls could not call its client.

use ws_core::prelude::*;

#[websocket(path = "/", max_pending_calls = 0)]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn text(&mut self, text: String) -> String {
        text
    }
}

fn main() {}
