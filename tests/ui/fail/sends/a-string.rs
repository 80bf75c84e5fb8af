use ws_core::prelude::*;
use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
enum Event {
    Closed,
    Price(f64),
}

#[websocket(path = "/", envelope = ws_core::JsonRpc, sends = "Event")]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_close]
    fn close(&mut self, _: &CloseReason) {
        let _ = (Event::Closed, Event::Price(1.0));
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
