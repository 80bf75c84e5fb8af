use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_message]
    #[allow(clippy::too_many_arguments)]
    fn add(&mut self, a: i8, b: i8, c: i8, d: i8, e: i8, f: i8, g: i8, h: i8, i: i8) {
        let _ = (a, b, c, d, e, f, g, h, i);
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
