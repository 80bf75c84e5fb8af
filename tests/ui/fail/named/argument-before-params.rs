use ws_core::prelude::*;
use ws_core::{JsonRpc, Params};

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn shift(&mut self, by: i64, Params(point): Params<(i64, i64)>) -> i64 {
        point.0 + by
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
