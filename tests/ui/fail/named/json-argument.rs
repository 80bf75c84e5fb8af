use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn first(&mut self, Json(list): Json<Vec<i64>>) -> Option<i64> {
        list.first().copied()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
