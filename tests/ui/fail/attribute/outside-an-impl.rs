use ws_core::prelude::*;

#[on_text]
fn said(_: &str) {}

struct Chat;

impl Chat {
    #[every(1s)]
    fn tick(&mut self) {}
}

fn main() {
    said("still there");
    Chat.tick();
}
