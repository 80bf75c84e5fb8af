use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_message]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
