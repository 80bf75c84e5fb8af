use ws_core::Options;
use ws_core::prelude::*;

const BASE: Options = Options::DEFAULT;

#[websocket(options = BASE, path = "/", options = Options::DEFAULT)]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
