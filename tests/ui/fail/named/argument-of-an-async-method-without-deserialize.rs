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
    #[on_message]
    async fn shift(&mut self, by: i64, point: Point) {
        let _ = point.x + by;
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
