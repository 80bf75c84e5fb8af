use ws_core::prelude::*;
use ws_core::{JsonRpc, Params};

#[derive(Default)]
struct Point {
    x: i64,
}

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn shift(&mut self, Params(point): Params<Point>) -> i64 {
        point.x
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
