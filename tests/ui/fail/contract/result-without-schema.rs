use ws_core::JsonRpc;
use ws_core::prelude::*;

#[derive(serde::Serialize)]
struct Point {
    x: i64,
}

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket(contract)]
impl Board {
    #[on_call]
    fn origin(&mut self) -> Point {
        Point { x: 0 }
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
