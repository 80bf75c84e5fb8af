//! A future that belongs to the connection outlives the message.

use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn text(&mut self, text: &str) -> Deferred<String> {
        Deferred::new(async move { text.to_uppercase() })
    }
}

fn main() {}
