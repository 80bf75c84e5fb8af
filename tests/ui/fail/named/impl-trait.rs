use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn length(&mut self, text: impl AsRef<str>) -> usize {
        text.as_ref().len()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
