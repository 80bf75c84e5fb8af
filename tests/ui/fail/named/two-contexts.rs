use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_message]
    fn add(&mut self, cx: &mut Context<Self>, a: i64, other: &mut Context<Self>) {
        let _ = (cx, a, other);
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
