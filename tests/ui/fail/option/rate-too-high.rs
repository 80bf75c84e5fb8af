use ws_core::prelude::*;

#[websocket(path = "/", max_control_rate = 5_000_000_000)]
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
