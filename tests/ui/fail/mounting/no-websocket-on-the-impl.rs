use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

impl Chat {
    fn said(&mut self, _: &str) {}
}

fn main() {
    Chat.said("still there");
    let _: Router = Router::new().mount::<Chat>();
}
