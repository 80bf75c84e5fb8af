use ws_core::prelude::*;
use ws_core::{JsonRpc, Messages};

#[derive(serde::Serialize, Messages)]
enum Event {
    Closed,
}

#[websocket(path = "/rpc", envelope = JsonRpc, sends = Event)]
#[derive(Default)]
struct Board;

#[websocket(contract)]
impl Board {
    #[on_open]
    fn open(&mut self) -> Event {
        Event::Closed
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
