use ws_core::prelude::*;

const NONE: usize = 0;

#[websocket(path = "/", session(buffer = NONE))]
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
