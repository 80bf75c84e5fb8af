use ws_core::prelude::*;

#[websocket]
struct Chat;

#[websocket]
impl Chat {
    #[on_attach]
    fn back(&mut self) {}
}

fn main() {}
