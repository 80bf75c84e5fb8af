use ws_core::prelude::*;

#[on_drain]
fn drained() {}

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
    drained();
}
