use ws_core::prelude::*;

#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str) {}
}

fn main() {
    Chat.said("still there");
}
