use ws_core::prelude::*;

#[websocket(path = "/", close_codes(timeout = 1006))]
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
