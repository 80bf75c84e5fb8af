use ws_core::prelude::*;
use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
enum Event {
    Closed,
}

#[websocket(path = "board", envelope = ws_core::JsonRpc, sends = Event)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> Event {
        cx.send(Event::Closed);
        Event::Closed
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
