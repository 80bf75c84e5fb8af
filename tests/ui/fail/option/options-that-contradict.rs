use ws_core::Options;
use ws_core::prelude::*;

const SMALL: Options = {
    let mut options = Options::DEFAULT;
    options.outbox_high_water = 8 << 10;
    options.outbox_limit = 32 << 10;
    options
};

#[websocket(path = "/", idle_timeout = 5s, outbox_high_water = 64KiB, options = SMALL)]
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
