use ws_core::prelude::*;

#[derive(serde::Serialize)]
enum Event {
    Closed,
}

#[websocket(path = "/", envelope = ws_core::JsonRpc, sends = Event)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_close]
    fn close(&mut self, _: &CloseReason) {
        let _ = Event::Closed;
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
