use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    const LEN: usize = 4;

    #[on_binary]
    fn data(&mut self, _: &[u8]) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
    let _ = Chat::LEN;
}
