use ws_core::prelude::*;

const PREFIX: &str = "";

#[websocket(path = "/", one_per = PREFIX)]
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
