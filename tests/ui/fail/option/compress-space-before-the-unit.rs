use ws_core::prelude::*;

#[websocket(path = "/", compress(min_size = 1 KiB))]
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
