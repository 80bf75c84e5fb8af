use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn leave(&mut self) -> Close {
        Close::default()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
