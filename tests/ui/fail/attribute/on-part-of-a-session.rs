use ws_core::prelude::*;

#[websocket(session)]
struct Chat;

#[websocket]
impl Chat {
    #[on_part]
    fn part(&mut self, _: Part<'_>) {}
}

fn main() {}
