use ws_core::prelude::*;

const LEVEL: u8 = 12;

#[websocket(path = "/", compress(level = LEVEL))]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
