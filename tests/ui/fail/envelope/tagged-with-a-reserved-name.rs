use ws_core::prelude::*;

#[websocket(path = "/rpc", envelope = Tagged(content = "error"))]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_text]
    fn other(&mut self, _: &str) {}
}

fn main() {
    let _ = Router::<()>::new().mount::<Board>();
}
