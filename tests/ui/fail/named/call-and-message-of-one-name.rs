use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }

    #[on_message("add")]
    fn plus(&mut self, _a: i64) {}
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
