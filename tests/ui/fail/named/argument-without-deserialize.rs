use ws_core::prelude::*;
use ws_core::JsonRpc;

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
    fn shift(&mut self, point: Point, by: i64) -> i64 {
        point.x + by
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
