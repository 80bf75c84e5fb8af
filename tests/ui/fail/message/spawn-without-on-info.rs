//! No method takes the output of the future.

use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

struct Loaded;

#[websocket]
impl Chat {
    #[on_text]
    fn text(&mut self, _: &str, cx: &mut Context<Self>) {
        cx.spawn(async { Loaded });
    }
}

fn main() {}
