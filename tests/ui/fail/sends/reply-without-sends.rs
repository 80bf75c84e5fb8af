use ws_core::prelude::*;
use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
enum Event {
    Closed,
    Price(f64),
}

#[websocket(path = "/", envelope = ws_core::JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_open]
    fn open(&mut self) -> Event {
        Event::Closed
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
