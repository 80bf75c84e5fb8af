//! A number cannot be sent, not even later.

use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn text(&mut self, text: String) -> Deferred<usize> {
        Deferred::new(async move { text.len() })
    }
}

fn main() {}
