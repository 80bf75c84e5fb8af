use ws_core::prelude::*;
use std::rc::Rc;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_message]
    async fn add(&mut self, text: Rc<str>) {
        let _ = text;
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
