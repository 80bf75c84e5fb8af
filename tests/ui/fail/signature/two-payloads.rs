use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_binary]
    fn data(&mut self, _: &[u8], _: &[u8]) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
