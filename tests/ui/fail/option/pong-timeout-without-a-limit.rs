//! A ping always has a time limit.

use ws_core::prelude::*;

#[websocket(path = "/", pong_timeout = none)]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn text(&mut self, text: String) -> String {
        text
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
