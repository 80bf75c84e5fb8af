use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_message]
    fn add(&mut self, #[cfg(all())] a: i64) {
        let _ = a;
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
