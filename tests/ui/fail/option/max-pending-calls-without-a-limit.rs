//! The number of pending calls always has a limit.

use ws_core::prelude::*;

#[websocket(path = "/", max_pending_calls = none)]
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
