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
    async fn origin(&mut self) -> Vec<Point> {
        vec![Point { x: 0 }]
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
