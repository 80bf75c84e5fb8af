//! A connection that may run no future refuses every deferred reply.

use ws_core::prelude::*;

#[websocket(path = "/", max_deferred = 0)]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn text(&mut self, text: String) -> Deferred<String> {
        Deferred::new(async move { text })
    }
}

fn main() {}
