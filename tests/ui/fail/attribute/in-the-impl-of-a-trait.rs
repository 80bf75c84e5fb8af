use ws_core::prelude::*;

trait Greet {
    fn greet(&mut self);
}

#[websocket]
struct Chat;

impl Greet for Chat {
    #[on_open]
    fn greet(&mut self) {}
}

fn main() {
    Chat.greet();
}
