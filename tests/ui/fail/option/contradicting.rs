use ws_core::prelude::*;

#[websocket(path = "/", outbox_high_water = 2MiB, outbox_limit = 1MiB)]
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
