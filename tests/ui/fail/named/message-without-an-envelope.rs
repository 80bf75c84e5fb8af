use ws_core::prelude::*;

#[websocket(path = "/rpc")]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_message]
    fn said(&mut self, text: &str) -> String {
        text.to_owned()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
