use ws_core::prelude::*;

#[websocket(path = "/", compress(server_no_context_takeover = 1))]
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
