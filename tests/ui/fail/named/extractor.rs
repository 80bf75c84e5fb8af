use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn add(&mut self, State(base): State<i64>, a: i64) -> i64 {
        base + a
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
