use ws_core::prelude::*;

#[websocket]
#[derive(Default)]
struct Chat;

impl Chat {
    #[every(1s)]
    fn tick(&mut self) {}
}

fn main() {
    Chat.tick();
}
