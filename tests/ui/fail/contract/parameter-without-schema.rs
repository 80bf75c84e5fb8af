use ws_core::JsonRpc;
use ws_core::prelude::*;

#[derive(serde::Deserialize)]
struct Point {
    x: i64,
}

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket(contract)]
impl Board {
    #[on_call]
    fn shift(&mut self, point: Point) -> i64 {
        point.x
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
